"""WooCommerce: the order and the refund of the REST API, version 3.

Times end in `_gmt` and say no offset. An order's total stays as it was when it is refunded; refunds are
objects of their own, whose lines have negative amounts. WooCommerce itself knows no tips, gift cards or
store credit: extensions have theirs in fields of their own.
"""

from collections.abc import Mapping
from fractions import Fraction
from typing import Any, Final

from whale_loyalty.models import EventInput
from whale_loyalty.shops import _orders
from whale_loyalty.shops._orders import GOODS, ZERO, Earns, Order, Parts, Refund
from whale_loyalty.shops._payload import Payload

_GOODS: Final = ("line_items", "fee_lines")
_SHIPPING: Final = ("shipping_lines",)


def order_completed(order: Mapping[str, Any], *, earns: Earns = GOODS) -> EventInput:
    """The event of an order that is paid: its `date_paid_gmt` is set."""
    return _orders.completed(_order(Payload(order)), earns)


def order_refunded(
    refund: Mapping[str, Any], *, order: Mapping[str, Any], earns: Earns = GOODS
) -> EventInput:
    """The event of a refund as `/orders/<id>/refunds` lists it; `order` is the order it belongs to."""
    given, mapped = Payload(refund), _order(Payload(order))
    if given.has("parent_id") and given.id("parent_id") != mapped.id:
        raise given.error("parent_id", f"the refund is not one of order {mapped.id}")
    return _orders.refunded(_refund(given), mapped, earns)


def _order(order: Payload) -> Order:
    return Order(
        id=order.id("id"),
        number=order.text("number"),
        customer_id=order.customer("customer_id"),
        currency=order.text("currency"),
        completed_at=order.moment_in_utc("date_paid_gmt"),
        parts=Parts(
            total=order.money("total"),
            tax=order.money("total_tax"),
            shipping=order.money("shipping_total"),
        ),
    )


def _refund(refund: Payload) -> Refund:
    total = abs(refund.money("amount"))
    shipping = _sum(refund, _SHIPPING, "total")
    tax = _sum(refund, (*_GOODS, *_SHIPPING), "total_tax")
    listed = _sum(refund, _GOODS, "total") + shipping + tax
    return Refund(
        id=refund.id("id"),
        refunded_at=refund.moment_in_utc("date_created_gmt"),
        # The amount takes precedence over the lines, which may even be none.
        parts=Parts(total=total, tax=tax, shipping=shipping, other=max(total - listed, ZERO)),
    )


def _sum(refund: Payload, lists: tuple[str, ...], amount: str) -> Fraction:
    lines = [line for name in lists for line in refund.each(name)]
    return abs(sum((line.money(amount, absent=ZERO) for line in lines), ZERO))
