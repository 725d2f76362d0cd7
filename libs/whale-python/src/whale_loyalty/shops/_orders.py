"""What every shop's payloads are mapped to: an order or a refund in parts, and from it the event.

Amounts are fractions, so that no application's decimal context can round them. An order earns on the
parts of its total that `Earns` names. A refund claws back from the same parts, so that a whole refund
claws back the whole award, in however many parts it comes.
"""

import math
from fractions import Fraction
from typing import Any, Final

from msgspec import Struct

from whale_loyalty.models import EventInput

ZERO: Final = Fraction(0)
_MILLIONTHS: Final = 10**6


class Earns(Struct, frozen=True, kw_only=True):
    """Which parts of an order's total earn, besides its goods after discounts.

    By default the goods earn, and nothing else: not their tax, not shipping and handling, not tips.
    What is paid with gift cards or store credit counts as any payment. A gift card earns once: while
    `gift_cards` is true, when it is spent; else, when it is bought.
    """

    tax: bool = False
    shipping: bool = False
    tips: bool = False
    gift_cards: bool = True
    store_credit: bool = True


GOODS: Final = Earns()


class Parts(Struct, frozen=True, kw_only=True):
    """The parts of an order's total, or of a refund's; all are positive.

    `tax` includes that of shipping, and `shipping` is without its tax. `gift_cards_sold` are bought,
    `gift_cards` and `store_credit` pay. `other` is the part of a refund that names no reason. What
    remains of `total` are goods.
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
    """A shop's order. `customer_id` is None for a guest."""

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


def completed(order: Order, earns: Earns) -> EventInput:
    """The event `order.completed`; without a customer_id for a guest, whom the engine passes over."""
    data = {
        "order_id": order.id,
        "order_number": order.number,
        "customer_id": order.customer_id,
        "total": _text(_earning(order.parts, earns)),
        "currency": order.currency.upper(),
        "completed_at": order.completed_at,
    }
    return _event("order.completed", data)


def refunded(refund: Refund, order: Order, earns: Earns) -> EventInput:
    """The event `order.refunded` of an order that was mapped with the same `earns`."""
    data = {
        "order_id": order.id,
        "customer_id": order.customer_id,
        "refund_id": refund.id,
        "amount": _text(_clawed_back(refund.parts, order.parts, earns)),
        "refunded_at": refund.refunded_at,
    }
    return _event("order.refunded", data)


def _event(kind: str, data: dict[str, Any]) -> EventInput:
    return {"type": kind, "data": {name: one for name, one in data.items() if one is not None}}


def _earning(parts: Parts, earns: Earns) -> Fraction:
    """The part of an order's total that earns."""
    paid_otherwise = _sum_of_those_not(
        (earns.gift_cards, parts.gift_cards), (earns.store_credit, parts.store_credit)
    )
    return max(_before_payment(parts, earns) - paid_otherwise, ZERO)


def _before_payment(parts: Parts, earns: Earns) -> Fraction:
    """What is for goods and for the other parts that earn, however it was paid."""
    passed_over = parts.other + _sum_of_those_not(
        (earns.tax, parts.tax),
        (earns.shipping, parts.shipping),
        (earns.tips, parts.tips),
        (not earns.gift_cards, parts.gift_cards_sold),
    )
    return max(parts.total - passed_over, ZERO)


def _sum_of_those_not(*parts: tuple[bool, Fraction]) -> Fraction:
    return sum((amount for earns, amount in parts if not earns), ZERO)


def _clawed_back(refund: Parts, order: Parts, earns: Earns) -> Fraction:
    """The part of a refund that reduces the order's earning amount.

    Rounded up to the millionth that an event can carry, so that parts add up to the whole; the engine
    allows for an excess that is rounding.
    """
    earning = _earning(order, earns)
    share = _share(_before_payment(refund, earns), of=_before_payment(order, earns))
    share += _share(refund.other, of=order.total)
    return min(Fraction(math.ceil(share * earning * _MILLIONTHS), _MILLIONTHS), earning)


def _share(amount: Fraction, *, of: Fraction) -> Fraction:
    return amount / of if of else ZERO


def _text(amount: Fraction) -> str:
    """Money as the engine reads it: at least two decimals, at most six."""
    whole, millionths = divmod(round(amount * _MILLIONTHS), _MILLIONTHS)
    digits = f"{millionths:06d}"
    return f"{whole}.{digits[:2]}{digits[2:].rstrip('0')}"
