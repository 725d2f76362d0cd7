"""Releases: the points of an order become available before their time. docs/rules/pending.md."""

from libs.kernel.errors import AccountSuspended, Conflict, NotFound
from services.earning.domain import due
from services.earning.domain.accounts import Entry
from services.earning.domain.batch import LedgerBatch
from services.earning.domain.order_records import OrderKey, OrderRecord
from services.earning.domain.orders import NO_ORDER
from services.earning.domain.postings import Posting


class Release(Posting, frozen=True, kw_only=True, gc=False):
    """Release the pending points of the customer's order now."""

    order_id: str

    @property
    def key(self) -> OrderKey:
        return self.store_id, self.order_id


def release(batch: LedgerBatch, posting: Release) -> Entry:
    """Release the points, whatever they wait for. Of an order whose points were released before, returns that
    entry again. Raises NotFound, AccountSuspended, or Conflict if nothing is pending."""
    account = batch.account(posting.store_id, posting.customer_id)
    order = batch.get(OrderRecord, posting.key)
    if order is None:
        raise NotFound(NO_ORDER)
    if order.account_id != account.id:
        raise Conflict(
            f"The order {posting.order_id} was sent with another customer meanwhile. Try again."
        )
    released = batch.releases.get(posting.key)
    if released is not None:
        return released
    if account.suspended:
        raise AccountSuspended(f"The account of {posting.customer_id} is suspended.")
    state = batch.cycles.get(account.id)
    award = None if state is None else state.awards.get(posting.key)
    if state is None or award is None or award.window is None:
        raise Conflict("No points of the order are pending.")
    return due.release(batch, account, award, state.timeline.now)
