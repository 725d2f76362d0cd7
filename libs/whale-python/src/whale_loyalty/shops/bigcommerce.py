"""BigCommerce: the order of the V2 Orders API and the refund of V3's payment actions.

The webhooks carry ids only, so the handler fetches both. Times of orders are RFC 2822, those of refunds
ISO 8601. Money is in the currency that the shopper paid in, `default_currency_code`.
"""

from collections.abc import Mapping
from fractions import Fraction
from typing import Any, Final

from whale_loyalty.models import EventInput
from whale_loyalty.shops import _orders
from whale_loyalty.shops._orders import GOODS, ZERO, Earns, Order, Parts, Refund
from whale_loyalty.shops._payload import Payload

_SHIPPING: Final = frozenset({"SHIPPING", "HANDLING"})
# Refunds of an amount alone, which name no part of the order.
_OTHER: Final = frozenset({"ORDER", "FEE"})


def order_completed(order: Mapping[str, Any], *, earns: Earns = GOODS) -> EventInput:
    """The event of an order of `GET /v2/orders/{id}`. Its `products` are only a link; put the list of
    `GET /v2/orders/{id}/products` there where the shop sells gift certificates."""
    return _orders.completed(_order(Payload(order)), earns)


def order_refunded(
    refund: Mapping[str, Any], *, order: Mapping[str, Any], earns: Earns = GOODS
) -> EventInput:
    """The event of a refund of `GET /v3/orders/{id}/payment_actions/refunds`; `order` is the order it
    belongs to."""
    given, mapped = Payload(refund), _order(Payload(order))
    if given.id("order_id") != mapped.id:
        raise given.error("order_id", f"the refund is not one of order {mapped.id}")
    return _orders.refunded(_refund(given), mapped, earns)


def _order(order: Payload) -> Order:
    order_id = order.id("id")
    return Order(
        id=order_id,
        number=order_id,
        customer_id=order.customer("customer_id"),
        currency=order.text("default_currency_code"),
        completed_at=order.moment_of_mail("date_created"),
        parts=Parts(
            total=order.money("total_inc_tax"),
            tax=order.money("total_tax"),
            shipping=order.money("shipping_cost_ex_tax")
            + order.money("handling_cost_ex_tax", absent=ZERO),
            gift_cards_sold=_sold(order),
            gift_cards=order.money("gift_certificate_amount", absent=ZERO),
            store_credit=order.money("store_credit_amount", absent=ZERO),
        ),
    )


def _sold(order: Payload) -> Fraction:
    """What gift certificates cost, where the products are in the order's place for them."""
    if not order.has_list("products"):
        return ZERO
    lines = [one for one in order.each("products") if one.text("type") == "giftcertificate"]
    return sum((one.money("total_ex_tax") for one in lines), ZERO)


def _refund(refund: Payload) -> Refund:
    declined = [
        one for one in refund.each("payments") if one.has("is_declined") and one.flag("is_declined")
    ]
    return Refund(
        id=refund.id("id"),
        refunded_at=refund.moment("created"),
        parts=Parts(
            total=refund.money("total_amount")
            - sum((one.money("amount") for one in declined), ZERO),
            # Negative where the shop collected tax by refunding less.
            tax=refund.money("total_tax"),
            shipping=_of_types(refund, _SHIPPING),
            other=_of_types(refund, _OTHER),
        ),
    )


def _of_types(refund: Payload, types: frozenset[str]) -> Fraction:
    items = [one for one in refund.each("items") if one.text("item_type") in types]
    return sum((one.money("requested_amount") for one in items), ZERO)
