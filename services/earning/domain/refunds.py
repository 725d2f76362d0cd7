"""Refunds: what they take back of an order's award, and those that wait. docs/rules/refund.md."""

from decimal import Decimal
from typing import Final

from libs.contracts.numbers import EXACT, money
from libs.kernel.errors import Conflict
from services.earning.domain.accounts import Account
from services.earning.domain.books import Books
from services.earning.domain.postings import OrderRecord, Refund, RefundRecord, Repeated

# What shops' refunds pass the order by where each part of it, a line or a tax, is rounded.
_ROUNDING: Final = Decimal("0.05")
_ROUNDING_OF_TOTAL: Final = Decimal("0.001")


def post_refund(books: Books, refund: Refund) -> RefundRecord | Repeated:
    account = books.account(refund.store_id, refund.customer_id)
    known = books.known.refunds.get(refund.key)
    if known is not None:
        if known.is_same(refund, account):
            return Repeated()
        raise Conflict(
            f"The refund {refund.refund_id} of order {refund.order_id} is recorded with "
            "another amount or customer."
        )
    order = books.known.orders.get((refund.store_id, refund.order_id))
    if order is not None and order.state != "skipped" and not order.belongs_to(account):
        raise Conflict(f"The order {refund.order_id} is another customer's.")
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
        _count_refund(books, record, order, account)
    else:
        books.known.waiting.setdefault((refund.store_id, refund.order_id), []).append(record)
    books.known.refunds[refund.key] = books.refunds[refund.key] = record
    # Locked and written even where it waits: so its order cannot pass it by unseen.
    books.touch(account)
    return record


def settle_waiting(
    books: Books, waiting: RefundRecord, order: OrderRecord, account: Account
) -> None:
    """Count a refund that waited; one that contradicts its order is kept and told."""
    if not waiting.belongs_to(account):
        waiting.state = "conflict"
        waiting.detail = f"The order {order.order_id} is another customer's."
    else:
        try:
            _count_refund(books, waiting, order, account)
        except Conflict as conflict:
            waiting.state, waiting.detail = "conflict", conflict.detail
    key = (waiting.store_id, waiting.order_id, waiting.refund_id)
    books.known.refunds[key] = books.refunds[key] = waiting


def _count_refund(books: Books, record: RefundRecord, order: OrderRecord, account: Account) -> None:
    refunded = money_of(order, record.amount)
    points = points_of(order, refunded)
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


def money_of(order: OrderRecord, amount: Decimal | None) -> Decimal:
    """The money refunded: `amount`, or all that is left. What passes that by no more than rounding
    refunds the rest. Raises Conflict for more, and once the whole was refunded."""
    left = order.total - order.refunded
    if left == 0 and order.refunded > 0:
        raise Conflict(f"The whole of order {order.order_id} is refunded already.")
    if amount is None:
        return left
    if amount - left > max(_ROUNDING, order.total * _ROUNDING_OF_TOTAL):
        raise Conflict(
            f"The refund of {money(amount)} is more than the {money(left)} left of order "
            f"{order.order_id}."
        )
    return min(amount, left)


def points_of(order: OrderRecord, refunded_now: Decimal) -> int:
    """The points that refunding `refunded_now` more takes back.

    In all floor(award x refunded / total), the whole award when all is refunded; this refund takes
    the difference to what earlier ones took, and never more than the award's remainder.
    """
    refunded = order.refunded + refunded_now
    if refunded >= order.total:
        in_all = order.award
    else:
        # Integer division is exact where the quotient may have no end of decimals.
        in_all = int(EXACT.divide_int(EXACT.multiply(Decimal(order.award), refunded), order.total))
    return max(min(in_all - order.refunded_points, order.remainder), 0)
