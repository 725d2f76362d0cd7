"""Fulfillments: an order was delivered, for which its points may wait. docs/rules/pending.md."""

from datetime import datetime

from msgspec import Struct

from libs.kernel.errors import Conflict
from services.earning.domain.batch import LedgerBatch
from services.earning.domain.order_records import OrderKey, OrderRecord
from services.earning.domain.postings import Duplicate, Posting


class Fulfillment(Posting, frozen=True, kw_only=True, gc=False):
    """The fulfillment of an order."""

    order_id: str
    fulfilled_at: datetime

    @property
    def key(self) -> OrderKey:
        return self.store_id, self.order_id


class FulfillmentRecord(Struct, frozen=True, kw_only=True):
    """A fulfillment that arrived before its order counted, for which it waits."""

    store_id: str
    order_id: str
    account_id: int
    fulfilled_at: datetime

    @property
    def key(self) -> OrderKey:
        return self.store_id, self.order_id


def post_fulfillment(batch: LedgerBatch, fulfillment: Fulfillment) -> FulfillmentRecord | Duplicate:
    """Let the first fulfillment of an order wait until the order counts. It has no effect on an order that does
    not wait for it, as none does. Raises Conflict for another customer's order."""
    account = batch.account(fulfillment.store_id, fulfillment.customer_id)
    order = batch.get(OrderRecord, fulfillment.key)
    if order is not None and order.state != "skipped" and order.account_id != account.id:
        raise Conflict(f"The order {fulfillment.order_id} belongs to another customer.")
    is_recorded = batch.get(FulfillmentRecord, fulfillment.key) is not None
    if is_recorded or (order is not None and order.state == "counted"):
        return Duplicate()
    record = FulfillmentRecord(
        store_id=fulfillment.store_id,
        order_id=fulfillment.order_id,
        account_id=account.id,
        fulfilled_at=fulfillment.fulfilled_at,
    )
    batch.put(record)
    # As a waiting refund does, so that a concurrent batch with the order cannot miss it.
    batch.mark_for_write(account)
    return record
