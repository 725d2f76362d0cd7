"""Shopify: the Order and the Refund of the Admin API, as REST webhooks and GraphQL queries send them.

GraphQL's `totalPriceSet` is REST's `total_price_set`, so GraphQL names are converted to REST names. All
money is in the shop's currency (`shop_money`), not in the customer's. The original amounts are used, not
the `current_` amounts: a refund changes these, and a redelivered order must map to the same event.
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
    """The event for a paid order of the webhook `orders/paid` or of a GraphQL query."""
    return _orders.order_completed_event(_order(_payload(order), earns), earns)


def order_refunded(
    refund: Mapping[str, Any], *, order: Mapping[str, Any], earns: Earns = GOODS
) -> EventInput:
    """The event for one of an order's `refunds`; `order` is its order."""
    order_payload, refund_payload = _payload(order), _payload(refund)
    mapped = _order(order_payload, earns)
    if refund_payload.has("order_id") and refund_payload.id("order_id") != mapped.id:
        raise refund_payload.error("order_id", f"does not match order {mapped.id}")
    return _orders.order_refunded_event(_refund(refund_payload, order_payload), mapped, earns)


def _order(order: Payload, earns: Earns) -> Order:
    total = order.child("total_price_set").child("shop_money")
    return Order(
        id=order.id("id"),
        number=order.text("name").removeprefix("#"),
        customer_id=order.child("customer").customer_id("id") if order.has("customer") else None,
        currency=total.text("currency_code"),
        completed_at=order.time("processed_at"),
        parts=Parts(
            total=total.money("amount"),
            tax=_shop_amount(order, "total_tax_set")
            + _optional_shop_amount(order, "original_total_duties_set"),
            shipping=_shipping(order),
            tips=_tips(order),
            gift_cards_sold=sum(map(_gift_cards_sold, order.children("line_items")), ZERO),
            gift_cards=ZERO if earns.gift_cards else _amount_paid_with(order, _GIFT_CARD),
            store_credit=ZERO if earns.store_credit else _amount_paid_with(order, _STORE_CREDIT),
        ),
    )


def _refund(refund: Payload, order: Payload) -> Refund:
    lines, shipping_lines = (
        refund.children("refund_line_items"),
        refund.children("refund_shipping_lines"),
    )
    line_tax = sum((_shop_amount(line, "total_tax_set") for line in lines), ZERO)
    shipping_tax = sum((_shop_amount(line, "tax_amount_set") for line in shipping_lines), ZERO)
    listed = sum((_shop_amount(line, "subtotal_set") for line in lines), ZERO)
    shipping = sum((_shop_amount(line, "subtotal_amount_set") for line in shipping_lines), ZERO)
    if order.flag("taxes_included"):
        listed, shipping = listed - line_tax, shipping - shipping_tax
    tax = line_tax + shipping_tax + _optional_shop_amount(refund, "total_duties_set")
    total = _refunded_total(refund, order)
    return Refund(
        id=refund.id("id"),
        refunded_at=refund.time("created_at"),
        parts=Parts(
            total=total,
            tax=tax,
            shipping=shipping,
            gift_cards_sold=sum(
                (_shop_amount(line, "subtotal_set") for line in lines if _is_gift_card(line)), ZERO
            ),
            other=max(total - listed - tax - shipping, ZERO),
        ),
    )


def _refunded_total(refund: Payload, order: Payload) -> Fraction:
    """The amount refunded: GraphQL has the sum, REST lists the transactions."""
    if refund.has("total_refunded_set"):
        return _shop_amount(refund, "total_refunded_set")
    total = ZERO
    for transaction in refund.children("transactions"):
        if transaction.text("kind").lower() != "refund":
            continue
        match transaction.text("status").lower():
            case "success":
                total += _in_shop_currency(transaction, order)
            case "pending":
                raise transaction.error(
                    "status", "must not be pending; map the refund when it succeeds"
                )
            case _:
                pass
    return total


def _amount_paid_with(order: Payload, gateway: str) -> Fraction:
    """The amount paid through a gateway. The webhook's order has no transactions: they must be added."""
    if not order.has("transactions"):
        raise order.error(
            "transactions", f"missing; add them, they say how much was paid with {gateway}"
        )
    return sum(
        (
            _in_shop_currency(transaction, order)
            for transaction in order.children("transactions")
            if transaction.text("gateway") == gateway
            and transaction.text("kind").lower() in {"sale", "capture"}
            and transaction.text("status").lower() == "success"
        ),
        ZERO,
    )


def _in_shop_currency(transaction: Payload, order: Payload) -> Fraction:
    """A transaction's amount in the shop's currency. REST has it in the currency of the payment, so the
    order's exchange rate converts it if the currencies are different."""
    if transaction.has("amount_set"):
        return _shop_amount(transaction, "amount_set")
    amount, totals = transaction.money("amount"), order.child("total_price_set")
    shop = totals.child("shop_money")
    if not transaction.has("currency") or transaction.text("currency") == shop.text(
        "currency_code"
    ):
        return amount
    presented = totals.child("presentment_money").money("amount")
    return amount * shop.money("amount") / presented if presented else ZERO


def _shipping(order: Payload) -> Fraction:
    """Shipping without its tax, which the price includes if the order says `taxes_included`."""
    shipping = _shop_amount(order, "total_shipping_price_set")
    if not order.flag("taxes_included"):
        return shipping
    taxes = [tax for line in order.children("shipping_lines") for tax in line.children("tax_lines")]
    return shipping - sum((_shop_amount(tax, "price_set") for tax in taxes), ZERO)


def _tips(order: Payload) -> Fraction:
    if order.has("total_tip_received_set"):
        return _shop_amount(order, "total_tip_received_set")
    return order.money("total_tip_received", absent=ZERO)


def _gift_cards_sold(line: Payload) -> Fraction:
    """The price of the gift cards in a line; 0 for other goods."""
    if line.has("is_gift_card"):
        return _shop_amount(line, "discounted_total_set") if line.flag("is_gift_card") else ZERO
    if not (line.has("gift_card") and line.flag("gift_card")):
        return ZERO
    discount = line.money("total_discount", absent=ZERO)
    return _shop_amount(line, "price_set") * line.money("quantity") - discount


def _is_gift_card(refund_line: Payload) -> bool:
    line = refund_line.child("line_item") if refund_line.has("line_item") else Payload({})
    return any(line.has(name) and line.flag(name) for name in ("gift_card", "is_gift_card"))


def _shop_amount(payload: Payload, name: str) -> Fraction:
    return payload.child(name).child("shop_money").money("amount")


def _optional_shop_amount(payload: Payload, name: str) -> Fraction:
    return _shop_amount(payload, name) if payload.has(name) else ZERO


def _payload(value: object) -> Payload:
    return Payload(_to_rest(value))


def _to_rest(value: Any) -> Any:
    """A GraphQL value with REST's member names and lists."""
    match value:
        case {"nodes": list(nodes)}:
            return [_to_rest(node) for node in nodes]
        case {"edges": list(edges)}:
            return [_to_rest(edge.get("node")) for edge in edges]
        case Mapping():
            return {_to_snake_case(name): _to_rest(member) for name, member in value.items()}
        case list():
            return [_to_rest(item) for item in value]
        case _:
            return value


def _to_snake_case(name: str) -> str:
    return _CAPITAL.sub(lambda match: f"_{match[0].lower()}", name)
