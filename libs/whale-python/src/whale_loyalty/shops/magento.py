"""Magento (Adobe Commerce): the order of `/V1/orders/{id}` and the credit memo of `/V1/creditmemo/{id}`.

Times are UTC and say no offset. Money is the store's own (the `base_` amounts), whatever currency the
customer saw. The grand totals are what remains to pay after gift cards, store credit and Magento's own
reward points, so these are added back.
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
    """The event of an order that is paid: its `state` is `processing` or `complete`."""
    return _orders.completed(_order(Payload(order)), earns)


def order_refunded(
    refund: Mapping[str, Any], *, order: Mapping[str, Any], earns: Earns = GOODS
) -> EventInput:
    """The event of a credit memo; `order` is the order that it belongs to."""
    memo, paid = Payload(refund), Payload(order)
    mapped = _order(paid)
    if memo.id("order_id") != mapped.id:
        raise memo.error("order_id", f"the credit memo is not one of order {mapped.id}")
    if memo.money("state", absent=ZERO) == _CANCELED:
        raise memo.error("state", "the credit memo is canceled")
    return _orders.refunded(_refund(memo, paid), mapped, earns)


def _order(order: Payload) -> Order:
    gift_cards, credit = _cards_and_credit(order)
    return Order(
        id=order.id("entity_id"),
        number=order.text("increment_id"),
        customer_id=order.customer("customer_id"),
        currency=order.text("base_currency_code"),
        completed_at=order.moment_in_utc("created_at"),
        parts=Parts(
            total=order.money("base_grand_total") + gift_cards + credit,
            tax=order.money("base_tax_amount"),
            shipping=_shipping(order),
            gift_cards_sold=sum(map(_sold, order.each("items")), ZERO),
            gift_cards=gift_cards,
            store_credit=credit,
        ),
    )


def _refund(memo: Payload, order: Payload) -> Refund:
    gift_cards, credit = _cards_and_credit(memo)
    return Refund(
        id=memo.id("entity_id"),
        refunded_at=memo.moment_in_utc("created_at"),
        parts=Parts(
            total=memo.money("base_grand_total") + gift_cards + credit,
            tax=memo.money("base_tax_amount"),
            shipping=_shipping_of_memo(memo, order),
            # An adjustment fee lowers the total, and so the refund of the goods.
            other=memo.money("base_adjustment_positive", absent=ZERO),
        ),
    )


def _shipping(order: Payload) -> Fraction:
    """Shipping after its discount."""
    shipping = order.money("base_shipping_amount", absent=ZERO)
    return shipping - order.money("base_shipping_discount_amount", absent=ZERO)


def _shipping_of_memo(memo: Payload, order: Payload) -> Fraction:
    """The same of a credit memo, which does not say how much of its discount is that of shipping."""
    paid, full = _shipping(order), order.money("base_shipping_amount", absent=ZERO)
    shipping = memo.money("base_shipping_amount", absent=ZERO)
    return shipping * paid / full if full else shipping


def _cards_and_credit(document: Payload) -> tuple[Fraction, Fraction]:
    """What gift cards paid, and what store credit and reward points did; Adobe Commerce has them."""
    if not document.has("extension_attributes"):
        return ZERO, ZERO
    extra = document.part("extension_attributes")
    credit = extra.money("base_customer_balance_amount", absent=ZERO)
    credit += extra.money("base_reward_currency_amount", absent=ZERO)
    return extra.money("base_gift_cards_amount", absent=ZERO), credit


def _sold(item: Payload) -> Fraction:
    """What a line's gift cards cost; other goods are none."""
    if not item.has("product_type") or item.text("product_type") != "giftcard":
        return ZERO
    return item.money("base_row_total") - item.money("base_discount_amount", absent=ZERO)
