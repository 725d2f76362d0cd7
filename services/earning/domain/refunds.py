"""Refunds: the points they claw back, and refunds that wait for their order. docs/rules/refund.md."""

from datetime import datetime
from decimal import Decimal
from typing import Final, Literal

from msgspec import Struct

from libs.contracts.numbers import EXACT, money
from libs.kernel.errors import Conflict
from services.earning.domain.accounts import Account
from services.earning.domain.batch import LedgerBatch
from services.earning.domain.clawbacks import AwardShare, claw_back, remainder
from services.earning.domain.order_records import OrderKey, OrderRecord
from services.earning.domain.postings import Duplicate, Posting

# How far refunds may exceed their order: shops round each line and tax on its own.
_ROUNDING: Final = Decimal("0.05")
_ROUNDING_OF_TOTAL: Final = Decimal("0.001")


RefundState = Literal["counted", "waiting", "conflict"]

RefundKey = tuple[str, str, str]


class Refund(Posting, frozen=True, kw_only=True, gc=False):
    """A refund of an order: `amount` is money in the order's currency, None for the whole rest."""

    order_id: str
    refund_id: str
    amount: Decimal | None
    occurred_at: datetime

    @property
    def key(self) -> RefundKey:
        return self.store_id, self.order_id, self.refund_id


class RefundRecord(Struct, kw_only=True, gc=False):
    """A refund as recorded. A waiting refund counts once its order does; if it contradicts the order,
    it becomes a conflict, with the reason in `detail`."""

    store_id: str
    order_id: str
    refund_id: str
    account_id: int
    amount: Decimal | None
    state: RefundState
    occurred_at: datetime
    points: int = 0
    entry_sequence: int | None = None
    detail: str | None = None

    @property
    def key(self) -> RefundKey:
        return self.store_id, self.order_id, self.refund_id

    def is_same(self, refund: Refund, account: Account) -> bool:
        """Whether `refund`, of `account`, is a redelivery of this refund."""
        return self.account_id == account.id and self.amount == refund.amount


class WaitingRefunds(Struct, gc=False):
    """The refunds that wait for the order `key`, in the order of arrival."""

    key: OrderKey
    refunds: list[RefundRecord]


def post_refund(batch: LedgerBatch, refund: Refund) -> RefundRecord | Duplicate:
    """Count the refund, or let it wait until its order counts. Raises Conflict."""
    account = batch.account(refund.store_id, refund.customer_id)
    recorded = batch.get(RefundRecord, refund.key)
    if recorded is not None:
        if recorded.is_same(refund, account):
            return Duplicate()
        raise Conflict(
            f"The refund {refund.refund_id} of order {refund.order_id} is already recorded with "
            "another amount or customer."
        )
    order = batch.get(OrderRecord, (refund.store_id, refund.order_id))
    if order is not None and order.state != "skipped" and order.account_id != account.id:
        raise Conflict(f"The order {refund.order_id} belongs to another customer.")
    record = RefundRecord(
        store_id=refund.store_id,
        order_id=refund.order_id,
        refund_id=refund.refund_id,
        account_id=account.id,
        amount=refund.amount,
        state="waiting",
        occurred_at=refund.occurred_at,
    )
    if order is not None and order.state == "counted":
        _count(batch, record, order, account)
    else:
        _wait(batch, record)
    batch.put(record)
    # A waiting refund locks and writes the account too, so that a concurrent batch with the order
    # cannot miss it.
    batch.mark_for_write(account)
    return record


def _wait(batch: LedgerBatch, refund: RefundRecord) -> None:
    key = refund.store_id, refund.order_id
    waiting = batch.get(WaitingRefunds, key) or WaitingRefunds(key, [])
    waiting.refunds.append(refund)
    batch.put(waiting)


def post_waiting_refunds(batch: LedgerBatch, order: OrderRecord, account: Account) -> None:
    """Count the refunds that waited for `order`, in the order of arrival."""
    waiting = batch.get(WaitingRefunds, order.key)
    if waiting is not None:
        for refund in waiting.refunds:
            _post_waiting_refund(batch, refund, order, account)
        waiting.refunds.clear()


def _post_waiting_refund(
    batch: LedgerBatch, refund: RefundRecord, order: OrderRecord, account: Account
) -> None:
    """Count a refund that waited for `order`; if it contradicts the order, record the conflict."""
    if refund.account_id != account.id:
        refund.state = "conflict"
        refund.detail = f"The order {order.order_id} belongs to another customer."
    else:
        try:
            _count(batch, refund, order, account)
        except Conflict as conflict:
            refund.state, refund.detail = "conflict", conflict.detail
    batch.put(refund)


def _count(batch: LedgerBatch, record: RefundRecord, order: OrderRecord, account: Account) -> None:
    refunded = money_refunded(order, record.amount)
    points = min(points_clawed_back(order, refunded), remainder(batch, order))
    if points:
        clawback = claw_back(batch, account, [AwardShare(points, order)])
        entry = batch.enter(
            account,
            type_="refund",
            points=-clawback.available,
            lifetime_change=-clawback.available,
            reason=f"Refund of {order.reason[0].lower()}{order.reason[1:]}",
            occurred_at=record.occurred_at,
            order_id=order.order_id,
            change=clawback.change,
        )
        record.entry_sequence = entry.sequence
    record.state, record.points = "counted", points
    order.refunded += refunded
    order.refunded_points += points
    batch.put(order)


def money_refunded(order: OrderRecord, amount: Decimal | None) -> Decimal:
    """The money that a refund of `amount` counts for: None means all that is left of the order, and
    an amount that exceeds it by rounding counts for what is left.

    Raises Conflict if the amount exceeds it by more, or if nothing is left.
    """
    remaining = order.total - order.refunded
    if remaining == 0 and order.refunded > 0:
        raise Conflict(f"The order {order.order_id} is already fully refunded.")
    if amount is None:
        return remaining
    if amount - remaining > max(_ROUNDING, order.total * _ROUNDING_OF_TOTAL):
        raise Conflict(
            f"The refund of {money(amount)} exceeds the {money(remaining)} left of order "
            f"{order.order_id}."
        )
    return min(amount, remaining)


def points_clawed_back(order: OrderRecord, refunded_now: Decimal) -> int:
    """The points that refunding another `refunded_now` claws back.

    The order's total is floor(award x refunded / total), or the whole award once all is refunded.
    This refund claws back the difference from earlier refunds, never more than the award's
    remainder.
    """
    refunded = order.refunded + refunded_now
    if refunded >= order.total:
        in_total = order.award
    else:
        # Integer division stays exact where the decimals of the quotient never end.
        award = Decimal(order.award)
        in_total = int(EXACT.divide_int(EXACT.multiply(award, refunded), order.total))
    return max(min(in_total - order.refunded_points, order.remainder), 0)
