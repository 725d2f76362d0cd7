"""Shopify: the Order and the Refund of the Admin API, as REST webhooks and GraphQL queries send them.

GraphQL's `totalPriceSet` is REST's `total_price_set`, so its names are read as REST's. All money is the
shop's own (`shop_money`), whatever currency the customer saw. The original amounts are read, not the
`current_` ones: those change with a refund, and a redelivered order must be the same.
"""

import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Any, Final

from whale_loyalty.models import EventInput
from whale_loyalty.shops import _orders
from whale_loyalty.shops._orders import GOODS, ZERO, Earns, Order, Parts, Refund
from whale_loyalty.shops._payload import Payload

_GIFT_CARD: Final = "gift_card"
_STORE_CREDIT: Final = "shopify_store_credit"
_CAPITAL: Final = re.compile(r"(?<=[a-z0-9])[A-Z]")


def order_completed(order: Mapping[str, Any], *, earns: Earns = GOODS) -> EventInput:
    """The event of an order that is paid: of the webhook `orders/paid`, or of a GraphQL query."""
    return _orders.completed(_order(_payload(order), earns), earns)


def order_refunded(
    refund: Mapping[str, Any], *, order: Mapping[str, Any], earns: Earns = GOODS
) -> EventInput:
    """The event of one of an order's `refunds`; `order` is the order that it belongs to."""
    paid, given = _payload(order), _payload(refund)
    mapped = _order(paid, earns)
    if given.has("order_id") and given.id("order_id") != mapped.id:
        raise given.error("order_id", f"the refund is not one of order {mapped.id}")
    return _orders.refunded(_refund(given, paid), mapped, earns)


def _order(order: Payload, earns: Earns) -> Order:
    total = order.part("total_price_set").part("shop_money")
    return Order(
        id=order.id("id"),
        number=order.text("name").removeprefix("#"),
        customer_id=order.part("customer").customer("id") if order.has("customer") else None,
        currency=total.text("currency_code"),
        completed_at=order.moment("processed_at"),
        parts=Parts(
            total=total.money("amount"),
            tax=_set(order, "total_tax_set") + _optional_set(order, "original_total_duties_set"),
            shipping=_shipping(order),
            tips=_tips(order),
            gift_cards_sold=sum(map(_sold, order.each("line_items")), ZERO),
            gift_cards=ZERO if earns.gift_cards else _paid_with(order, _GIFT_CARD),
            store_credit=ZERO if earns.store_credit else _paid_with(order, _STORE_CREDIT),
        ),
    )


def _refund(refund: Payload, order: Payload) -> Refund:
    lines, shipping_lines = refund.each("refund_line_items"), refund.each("refund_shipping_lines")
    line_tax = sum((_set(line, "total_tax_set") for line in lines), ZERO)
    shipping_tax = sum((_set(line, "tax_amount_set") for line in shipping_lines), ZERO)
    listed = sum((_set(line, "subtotal_set") for line in lines), ZERO)
    shipping = sum((_set(line, "subtotal_amount_set") for line in shipping_lines), ZERO)
    if order.flag("taxes_included"):
        listed, shipping = listed - line_tax, shipping - shipping_tax
    tax = line_tax + shipping_tax + _optional_set(refund, "total_duties_set")
    total = _refunded_total(refund, order)
    return Refund(
        id=refund.id("id"),
        refunded_at=refund.moment("created_at"),
        parts=Parts(
            total=total,
            tax=tax,
            shipping=shipping,
            gift_cards_sold=sum(
                (_set(line, "subtotal_set") for line in lines if _is_gift_card(line)), ZERO
            ),
            other=max(total - listed - tax - shipping, ZERO),
        ),
    )


def _refunded_total(refund: Payload, order: Payload) -> Fraction:
    """The money that was refunded: GraphQL has the sum, REST lists the transactions."""
    if refund.has("total_refunded_set"):
        return _set(refund, "total_refunded_set")
    total = ZERO
    for one in refund.each("transactions"):
        if one.text("kind").lower() != "refund":
            continue
        match one.text("status").lower():
            case "success":
                total += _in_shop_money(one, order)
            case "pending":
                raise one.error("status", "the refund is pending; map it when it has succeeded")
            case _:
                pass
    return total


def _paid_with(order: Payload, gateway: str) -> Fraction:
    """What a kind of payment paid. The webhook names the gateways, but has no transactions."""
    if not order.has("transactions"):
        raise order.error("transactions", f"needed to know what {gateway} paid; add them")
    return sum(
        (
            _in_shop_money(one, order)
            for one in order.each("transactions")
            if one.text("gateway") == gateway
            and one.text("kind").lower() in {"sale", "capture"}
            and one.text("status").lower() == "success"
        ),
        ZERO,
    )


def _in_shop_money(transaction: Payload, order: Payload) -> Fraction:
    """A transaction's amount. REST has it in the currency of the payment, so the order's own exchange
    rate converts it where that is another currency."""
    if transaction.has("amount_set"):
        return _set(transaction, "amount_set")
    amount, totals = transaction.money("amount"), order.part("total_price_set")
    shop = totals.part("shop_money")
    if not transaction.has("currency") or transaction.text("currency") == shop.text(
        "currency_code"
    ):
        return amount
    presented = totals.part("presentment_money").money("amount")
    return amount * shop.money("amount") / presented if presented else ZERO


def _shipping(order: Payload) -> Fraction:
    """Shipping without its tax, which the price includes where the order says so."""
    shipping = _set(order, "total_shipping_price_set")
    if not order.flag("taxes_included"):
        return shipping
    taxes = [tax for line in order.each("shipping_lines") for tax in line.each("tax_lines")]
    return shipping - sum((_set(tax, "price_set") for tax in taxes), ZERO)


def _tips(order: Payload) -> Fraction:
    if order.has("total_tip_received_set"):
        return _set(order, "total_tip_received_set")
    return order.money("total_tip_received", absent=ZERO)


def _sold(line: Payload) -> Fraction:
    """What a line's gift cards cost; other goods are none."""
    if line.has("is_gift_card"):
        return _set(line, "discounted_total_set") if line.flag("is_gift_card") else ZERO
    if not (line.has("gift_card") and line.flag("gift_card")):
        return ZERO
    discount = line.money("total_discount", absent=ZERO)
    return _set(line, "price_set") * line.money("quantity") - discount


def _is_gift_card(refund_line: Payload) -> bool:
    line = refund_line.part("line_item") if refund_line.has("line_item") else Payload({})
    return any(line.has(name) and line.flag(name) for name in ("gift_card", "is_gift_card"))


def _set(payload: Payload, name: str) -> Fraction:
    return payload.part(name).part("shop_money").money("amount")


def _optional_set(payload: Payload, name: str) -> Fraction:
    return _set(payload, name) if payload.has(name) else ZERO


def _payload(value: object) -> Payload:
    return Payload(_as_rest(value))


def _as_rest(value: Any) -> Any:
    """GraphQL's names and lists as REST has them."""
    match value:
        case {"nodes": list(nodes)}:
            return [_as_rest(one) for one in nodes]
        case {"edges": list(edges)}:
            return [_as_rest(one.get("node")) for one in edges]
        case Mapping():
            return {_snake(name): _as_rest(one) for name, one in value.items()}
        case list():
            return [_as_rest(one) for one in value]
        case _:
            return value


def _snake(name: str) -> str:
    return _CAPITAL.sub(lambda found: f"_{found[0].lower()}", name)
