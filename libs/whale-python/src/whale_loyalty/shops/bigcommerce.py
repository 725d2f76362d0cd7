"""BigCommerce: the order of the V2 Orders API and the refund of V3's payment actions.

The webhooks carry ids only, so the handler fetches both. Order times are RFC 2822, refund times ISO 8601.
Money is in the currency that the shopper paid in, `default_currency_code`.
"""

from collections.abc import Mapping
from fractions import Fraction
from typing import Any, Final

from whale_loyalty.models import EventInput
from whale_loyalty.shops import _orders
from whale_loyalty.shops._orders import GOODS, ZERO, Earns, Order, Parts, Refund
from whale_loyalty.shops._payload import Payload

_SHIPPING: Final = frozenset({"SHIPPING", "HANDLING"})
# Refunds of an amount that is not assigned to a part of the order.
_OTHER: Final = frozenset({"ORDER", "FEE"})


def order_completed(order: Mapping[str, Any], *, earns: Earns = GOODS) -> EventInput:
    """The event for an order of `GET /v2/orders/{id}`. Its `products` is only a link: if the shop sells
    gift certificates, replace it with the list of `GET /v2/orders/{id}/products`."""
    return _orders.order_completed_event(_order(Payload(order)), earns)


def order_refunded(
    refund: Mapping[str, Any], *, order: Mapping[str, Any], earns: Earns = GOODS
) -> EventInput:
    """The event for a refund of `GET /v3/orders/{id}/payment_actions/refunds`; `order` is its order."""
    refund_payload, mapped = Payload(refund), _order(Payload(order))
    if refund_payload.id("order_id") != mapped.id:
        raise refund_payload.error("order_id", f"does not match order {mapped.id}")
    return _orders.order_refunded_event(_refund(refund_payload), mapped, earns)


def _order(order: Payload) -> Order:
    order_id = order.id("id")
    return Order(
        id=order_id,
        number=order_id,
        customer_id=order.customer_id("customer_id"),
        currency=order.text("default_currency_code"),
        completed_at=order.rfc2822_time("date_created"),
        parts=Parts(
            total=order.money("total_inc_tax"),
            tax=order.money("total_tax"),
            shipping=order.money("shipping_cost_ex_tax")
            + order.money("handling_cost_ex_tax", absent=ZERO),
            gift_cards_sold=_gift_cards_sold(order),
            gift_cards=order.money("gift_certificate_amount", absent=ZERO),
            store_credit=order.money("store_credit_amount", absent=ZERO),
        ),
    )


def _gift_cards_sold(order: Payload) -> Fraction:
    """The price of the gift certificates in the order, if its `products` is the list."""
    if not order.has_list("products"):
        return ZERO
    certificates = [
        product
        for product in order.children("products")
        if product.text("type") == "giftcertificate"
    ]
    return sum((product.money("total_ex_tax") for product in certificates), ZERO)


def _refund(refund: Payload) -> Refund:
    declined = [
        payment
        for payment in refund.children("payments")
        if payment.has("is_declined") and payment.flag("is_declined")
    ]
    return Refund(
        id=refund.id("id"),
        refunded_at=refund.time("created"),
        parts=Parts(
            total=refund.money("total_amount")
            - sum((payment.money("amount") for payment in declined), ZERO),
            # Negative if the shop collected tax by refunding less.
            tax=refund.money("total_tax"),
            shipping=_sum_of_item_types(refund, _SHIPPING),
            other=_sum_of_item_types(refund, _OTHER),
        ),
    )


def _sum_of_item_types(refund: Payload, types: frozenset[str]) -> Fraction:
    items = [item for item in refund.children("items") if item.text("item_type") in types]
    return sum((item.money("requested_amount") for item in items), ZERO)
