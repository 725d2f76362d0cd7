"""What a refund takes back of an order's award. docs/rules/refund.md."""

from decimal import Decimal

from libs.contracts.numbers import EXACT
from libs.kernel.errors import Conflict
from services.earning.domain.postings import OrderRecord


def money_of(order: OrderRecord, amount: Decimal | None) -> Decimal:
    """The money refunded: `amount`, or all that is left. Raises Conflict for more than is left."""
    left = order.total - order.refunded
    if amount is None:
        return left
    if amount > left:
        raise Conflict(
            f"The refund of {amount:f} is more than the {left:f} left of order {order.order_id}."
        )
    return amount


def points_of(order: OrderRecord, money: Decimal) -> int:
    """The points that refunding `money` more takes back.

    In all floor(award x refunded / total), the whole award when all is refunded; this refund takes
    the difference to what earlier ones took, and never more than the award's remainder.
    """
    refunded = order.refunded + money
    if refunded >= order.total:
        in_all = order.award
    else:
        # Integer division is exact where the quotient may have no end of decimals.
        in_all = int(EXACT.divide_int(EXACT.multiply(Decimal(order.award), refunded), order.total))
    return max(min(in_all - order.refunded_points, order.remainder), 0)
