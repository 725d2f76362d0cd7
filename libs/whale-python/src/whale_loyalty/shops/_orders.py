"""The common form of orders and refunds that every platform is mapped to, and the events built from it.

Amounts are fractions, so that an application's decimal context cannot round them. An order earns on the
parts of its total that `Earns` selects. A refund claws back from the same parts, so refunds that add up to
the whole order claw back the whole award.
"""

import math
from fractions import Fraction
from typing import Any, Final

from msgspec import Struct

from whale_loyalty.models import EventInput

ZERO: Final = Fraction(0)
_MILLIONTHS: Final = 10**6


class Earns(Struct, frozen=True, kw_only=True):
    """Which parts of an order's total earn, in addition to its goods after discounts.

    By default only the goods earn: not tax, not shipping and handling, not tips. Gift cards and store
    credit count like any other payment. A gift card earns once: when it is spent if `gift_cards` is
    true, otherwise when it is bought.
    """

    tax: bool = False
    shipping: bool = False
    tips: bool = False
    gift_cards: bool = True
    store_credit: bool = True


GOODS: Final = Earns()


class Parts(Struct, frozen=True, kw_only=True):
    """The parts of an order's or a refund's total; all are positive.

    `tax` includes the tax on shipping, `shipping` excludes it. `gift_cards_sold` is the price of gift
    cards in the order; `gift_cards` and `store_credit` are amounts paid with them. `other` is the part
    of a refund that is not assigned to a part of the order. The remainder of `total` is goods.
    """

    total: Fraction
    tax: Fraction = ZERO
    shipping: Fraction = ZERO
    tips: Fraction = ZERO
    gift_cards_sold: Fraction = ZERO
    gift_cards: Fraction = ZERO
    store_credit: Fraction = ZERO
    other: Fraction = ZERO


class Order(Struct, frozen=True, kw_only=True):
    """A platform's order. `customer_id` is None for a guest."""

    id: str
    customer_id: str | None
    currency: str
    completed_at: str
    parts: Parts
    number: str | None = None


class Refund(Struct, frozen=True, kw_only=True):
    """A refund of an order."""

    id: str
    refunded_at: str
    parts: Parts


def order_completed_event(order: Order, earns: Earns) -> EventInput:
    """The event `order.completed`. For a guest it has no customer_id, and the service ignores it."""
    data = {
        "order_id": order.id,
        "order_number": order.number,
        "customer_id": order.customer_id,
        "total": _format_amount(_earning_amount(order.parts, earns)),
        "currency": order.currency.upper(),
        "completed_at": order.completed_at,
    }
    return _build_event("order.completed", data)


def order_refunded_event(refund: Refund, order: Order, earns: Earns) -> EventInput:
    """The event `order.refunded`; `earns` must be the value that the order was mapped with."""
    data = {
        "order_id": order.id,
        "customer_id": order.customer_id,
        "refund_id": refund.id,
        "amount": _format_amount(_clawback_amount(refund.parts, order.parts, earns)),
        "refunded_at": refund.refunded_at,
    }
    return _build_event("order.refunded", data)


def _build_event(event_type: str, data: dict[str, Any]) -> EventInput:
    return {
        "type": event_type,
        "data": {name: value for name, value in data.items() if value is not None},
    }


def _earning_amount(parts: Parts, earns: Earns) -> Fraction:
    """The part of an order's total that earns."""
    excluded_payments = _sum_excluded(
        (earns.gift_cards, parts.gift_cards), (earns.store_credit, parts.store_credit)
    )
    return max(_eligible_amount(parts, earns) - excluded_payments, ZERO)


def _eligible_amount(parts: Parts, earns: Earns) -> Fraction:
    """The goods and the other parts that earn, regardless of how they were paid."""
    excluded_parts = parts.other + _sum_excluded(
        (earns.tax, parts.tax),
        (earns.shipping, parts.shipping),
        (earns.tips, parts.tips),
        (not earns.gift_cards, parts.gift_cards_sold),
    )
    return max(parts.total - excluded_parts, ZERO)


def _sum_excluded(*parts: tuple[bool, Fraction]) -> Fraction:
    """The sum of the amounts that do not earn; each part is a pair of (earns, amount)."""
    return sum((amount for earns, amount in parts if not earns), ZERO)


def _clawback_amount(refund: Parts, order: Parts, earns: Earns) -> Fraction:
    """The part of a refund that reduces the order's earning amount.

    Rounded up to a millionth, the precision of an event, so that partial refunds add up to the whole;
    the service tolerates an excess within rounding.
    """
    earning_amount = _earning_amount(order, earns)
    share = _share(_eligible_amount(refund, earns), of=_eligible_amount(order, earns))
    share += _share(refund.other, of=order.total)
    return min(
        Fraction(math.ceil(share * earning_amount * _MILLIONTHS), _MILLIONTHS), earning_amount
    )


def _share(amount: Fraction, *, of: Fraction) -> Fraction:
    return amount / of if of else ZERO


def _format_amount(amount: Fraction) -> str:
    """Money as the service reads it: with two to six decimals."""
    whole, millionths = divmod(round(amount * _MILLIONTHS), _MILLIONTHS)
    digits = f"{millionths:06d}"
    return f"{whole}.{digits[:2]}{digits[2:].rstrip('0')}"
