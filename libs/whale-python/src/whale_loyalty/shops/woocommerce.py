"""WooCommerce: the order and the refund of the REST API, version 3.

Times are in the `_gmt` fields, without an offset. A refund does not change the order's total: it is a
separate object, whose lines have negative amounts. WooCommerce itself has no tips, gift cards or store
credit; extensions store these in fields of their own.
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
    """The event for a paid order: its `date_paid_gmt` is set."""
    return _orders.order_completed_event(_order(Payload(order)), earns)


def order_refunded(
    refund: Mapping[str, Any], *, order: Mapping[str, Any], earns: Earns = GOODS
) -> EventInput:
    """The event for a refund as `/orders/<id>/refunds` lists it; `order` is its order."""
    refund_payload, mapped = Payload(refund), _order(Payload(order))
    if refund_payload.has("parent_id") and refund_payload.id("parent_id") != mapped.id:
        raise refund_payload.error("parent_id", f"does not match order {mapped.id}")
    return _orders.order_refunded_event(_refund(refund_payload), mapped, earns)


def _order(order: Payload) -> Order:
    return Order(
        id=order.id("id"),
        number=order.text("number"),
        customer_id=order.customer_id("customer_id"),
        currency=order.text("currency"),
        completed_at=order.utc_time("date_paid_gmt"),
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
        refunded_at=refund.utc_time("date_created_gmt"),
        # The amount takes precedence: a refund may have no lines at all.
        parts=Parts(total=total, tax=tax, shipping=shipping, other=max(total - listed, ZERO)),
    )


def _sum(refund: Payload, lists: tuple[str, ...], amount: str) -> Fraction:
    lines = [line for name in lists for line in refund.children(name)]
    return abs(sum((line.money(amount, absent=ZERO) for line in lines), ZERO))
