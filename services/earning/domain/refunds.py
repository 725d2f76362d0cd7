"""Refunds: the points they claw back, and refunds that wait for their order. docs/rules/refund.md."""

from decimal import Decimal
from typing import Final

from libs.contracts.numbers import EXACT, money
from libs.kernel.errors import Conflict
from services.earning.domain.accounts import Account
from services.earning.domain.books import Books
from services.earning.domain.postings import Duplicate, OrderRecord, Refund, RefundRecord

# How far refunds may exceed their order: shops round each line and tax on its own.
_ROUNDING: Final = Decimal("0.05")
_ROUNDING_OF_TOTAL: Final = Decimal("0.001")


def post_refund(books: Books, refund: Refund) -> RefundRecord | Duplicate:
    """Count the refund, or let it wait until its order counts. Raises Conflict."""
    account = books.account(refund.store_id, refund.customer_id)
    recorded = books.known.refunds.get(refund.key)
    if recorded is not None:
        if recorded.is_same(refund, account):
            return Duplicate()
        raise Conflict(
            f"The refund {refund.refund_id} of order {refund.order_id} is already recorded with "
            "another amount or customer."
        )
    order = books.known.orders.get((refund.store_id, refund.order_id))
    if order is not None and order.state != "skipped" and not order.belongs_to(account):
        raise Conflict(f"The order {refund.order_id} belongs to another customer.")
    record = RefundRecord(
        store_id=refund.store_id,
        order_id=refund.order_id,
        refund_id=refund.refund_id,
        account=account,
        account_id=account.id,
        amount=refund.amount,
        state="waiting",
        occurred_at=refund.occurred_at,
    )
    if order is not None and order.state == "counted":
        _count(books, record, order, account)
    else:
        waiting = books.known.waiting_refunds
        waiting.setdefault((refund.store_id, refund.order_id), []).append(record)
    books.known.refunds[refund.key] = books.refunds[refund.key] = record
    # A waiting refund locks and writes the account too, so that a concurrent batch with the order
    # cannot miss it.
    books.mark_for_write(account)
    return record


def post_waiting_refund(
    books: Books, refund: RefundRecord, order: OrderRecord, account: Account
) -> None:
    """Count a refund that waited for `order`; if it contradicts the order, record the conflict."""
    if not refund.belongs_to(account):
        refund.state = "conflict"
        refund.detail = f"The order {order.order_id} belongs to another customer."
    else:
        try:
            _count(books, refund, order, account)
        except Conflict as conflict:
            refund.state, refund.detail = "conflict", conflict.detail
    key = (refund.store_id, refund.order_id, refund.refund_id)
    books.known.refunds[key] = books.refunds[key] = refund


def _count(books: Books, record: RefundRecord, order: OrderRecord, account: Account) -> None:
    refunded = money_refunded(order, record.amount)
    points = points_clawed_back(order, refunded)
    if points:
        record.entry = books.enter(
            account,
            type_="refund",
            points=-points,
            lifetime_change=-points,
            reason=f"Refund of {order.reason[0].lower()}{order.reason[1:]}",
            occurred_at=record.occurred_at,
            order_id=order.order_id,
        )
    record.state, record.points = "counted", points
    order.refunded += refunded
    order.refunded_points += points
    books.orders[order.store_id, order.order_id] = order


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
