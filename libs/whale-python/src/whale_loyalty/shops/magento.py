"""Magento (Adobe Commerce): the order of `/V1/orders/{id}` and the credit memo of `/V1/creditmemo/{id}`.

Times are UTC without an offset. Money is in the store's base currency (the `base_` amounts), not in the
customer's. The grand totals exclude what gift cards, store credit and Magento's own reward points paid, so
these amounts are added back.
"""

from collections.abc import Mapping
from fractions import Fraction
from typing import Any, Final

from whale_loyalty.models import EventInput
from whale_loyalty.shops import _orders
from whale_loyalty.shops._orders import GOODS, ZERO, Earns, Order, Parts, Refund
from whale_loyalty.shops._payload import Payload

_CANCELED: Final = 3


def order_completed(order: Mapping[str, Any], *, earns: Earns = GOODS) -> EventInput:
    """The event for a paid order: its `state` is `processing` or `complete`."""
    return _orders.order_completed_event(_order(Payload(order)), earns)


def order_refunded(
    refund: Mapping[str, Any], *, order: Mapping[str, Any], earns: Earns = GOODS
) -> EventInput:
    """The event for a credit memo; `order` is its order."""
    memo, order_payload = Payload(refund), Payload(order)
    mapped = _order(order_payload)
    if memo.id("order_id") != mapped.id:
        raise memo.error("order_id", f"does not match order {mapped.id}")
    if memo.money("state", absent=ZERO) == _CANCELED:
        raise memo.error("state", "must not be 3: the credit memo is canceled")
    return _orders.order_refunded_event(_refund(memo, order_payload), mapped, earns)


def _order(order: Payload) -> Order:
    gift_cards, store_credit = _gift_cards_and_credit(order)
    return Order(
        id=order.id("entity_id"),
        number=order.text("increment_id"),
        customer_id=order.customer_id("customer_id"),
        currency=order.text("base_currency_code"),
        completed_at=order.utc_time("created_at"),
        parts=Parts(
            total=order.money("base_grand_total") + gift_cards + store_credit,
            tax=order.money("base_tax_amount"),
            shipping=_shipping(order),
            gift_cards_sold=sum(map(_gift_cards_sold, order.children("items")), ZERO),
            gift_cards=gift_cards,
            store_credit=store_credit,
        ),
    )


def _refund(memo: Payload, order: Payload) -> Refund:
    gift_cards, store_credit = _gift_cards_and_credit(memo)
    return Refund(
        id=memo.id("entity_id"),
        refunded_at=memo.utc_time("created_at"),
        parts=Parts(
            total=memo.money("base_grand_total") + gift_cards + store_credit,
            tax=memo.money("base_tax_amount"),
            shipping=_shipping_of_memo(memo, order),
            # An adjustment fee lowers the total, and with it the refund of the goods.
            other=memo.money("base_adjustment_positive", absent=ZERO),
        ),
    )


def _shipping(order: Payload) -> Fraction:
    """The shipping of an order after its discount."""
    shipping = order.money("base_shipping_amount", absent=ZERO)
    return shipping - order.money("base_shipping_discount_amount", absent=ZERO)


def _shipping_of_memo(memo: Payload, order: Payload) -> Fraction:
    """The shipping of a credit memo after its discount. A memo does not split its discount, so the
    order's ratio applies."""
    discounted, full = _shipping(order), order.money("base_shipping_amount", absent=ZERO)
    shipping = memo.money("base_shipping_amount", absent=ZERO)
    return shipping * discounted / full if full else shipping


def _gift_cards_and_credit(document: Payload) -> tuple[Fraction, Fraction]:
    """The amounts paid with gift cards, and with store credit and reward points (Adobe Commerce only)."""
    if not document.has("extension_attributes"):
        return ZERO, ZERO
    extra = document.child("extension_attributes")
    credit = extra.money("base_customer_balance_amount", absent=ZERO)
    credit += extra.money("base_reward_currency_amount", absent=ZERO)
    return extra.money("base_gift_cards_amount", absent=ZERO), credit


def _gift_cards_sold(item: Payload) -> Fraction:
    """The price of the gift cards in a line; 0 for other goods."""
    if not item.has("product_type") or item.text("product_type") != "giftcard":
        return ZERO
    return item.money("base_row_total") - item.money("base_discount_amount", absent=ZERO)
