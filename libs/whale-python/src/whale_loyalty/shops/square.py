"""Square: the Order of the Orders API and the PaymentRefund of the Refunds API.

Money is in the currency's smallest unit. The webhooks `order.updated` and `refund.updated` announce a
change; the handler fetches the order. A refund has only an amount, so it is spread over all parts of the
order.
"""

from collections.abc import Mapping
from fractions import Fraction
from typing import Any, Final

from whale_loyalty.models import EventInput
from whale_loyalty.shops import _orders
from whale_loyalty.shops._orders import GOODS, ZERO, Earns, Order, Parts, Refund
from whale_loyalty.shops._payload import Payload

# How many of a currency's digits are decimals (ISO 4217), where it is not two.
_OTHER_DECIMALS: Final = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}


def order_completed(order: Mapping[str, Any], *, earns: Earns = GOODS) -> EventInput:
    """The event of an order whose `state` is COMPLETED."""
    return _orders.completed(_order(Payload(order)), earns)


def order_refunded(
    refund: Mapping[str, Any], *, order: Mapping[str, Any], earns: Earns = GOODS
) -> EventInput:
    """The event of a refund whose `status` is COMPLETED; `order` is the order that was paid. The
    refund's own `order_id` may be another, which Square opens for the return."""
    given, mapped = Payload(refund), _order(Payload(order))
    if given.text("status") != "COMPLETED":
        raise given.error("status", "COMPLETED is needed: nothing is refunded yet")
    return _orders.refunded(_refund(given), mapped, earns)


def _order(order: Payload) -> Order:
    if order.text("state") != "COMPLETED":
        raise order.error("state", "COMPLETED is needed")
    tenders = order.each("tenders")
    charges = order.each("service_charges")
    return Order(
        id=order.id("id"),
        customer_id=_customer(order, tenders),
        currency=order.part("total_money").text("currency"),
        completed_at=order.moment("closed_at"),
        parts=Parts(
            total=_money(order, "total_money"),
            tax=_optional(order, "total_tax_money"),
            shipping=sum((_charge(one) for one in charges if not _is_gratuity(one)), ZERO),
            tips=_optional(order, "total_tip_money")
            + sum((_charge(one) for one in charges if _is_gratuity(one)), ZERO),
            gift_cards_sold=sum(
                (
                    _money(line, "total_money")
                    for line in order.each("line_items")
                    if line.has("item_type") and line.text("item_type") == "GIFT_CARD"
                ),
                ZERO,
            ),
            gift_cards=sum(
                (
                    _money(one, "amount_money")
                    for one in tenders
                    if one.text("type") == "SQUARE_GIFT_CARD"
                ),
                ZERO,
            ),
        ),
    )


def _refund(refund: Payload) -> Refund:
    total = _money(refund, "amount_money")
    return Refund(
        id=refund.id("id"),
        refunded_at=refund.moment("created_at"),
        parts=Parts(total=total, other=total),
    )


def _customer(order: Payload, tenders: list[Payload]) -> str | None:
    """The order's customer, else the first that one of its payments names: a card on file."""
    known = (one.customer("customer_id") for one in (order, *tenders))
    return next((customer for customer in known if customer is not None), None)


def _is_gratuity(charge: Payload) -> bool:
    return charge.has("type") and charge.text("type") == "AUTO_GRATUITY"


def _charge(charge: Payload) -> Fraction:
    """A service charge, such as shipping, without its tax."""
    return _money(charge, "total_money") - _optional(charge, "total_tax_money")


def _money(payload: Payload, name: str) -> Fraction:
    money = payload.part(name)
    currency = money.text("currency").upper()
    decimals = next((one for one, codes in _OTHER_DECIMALS.items() if currency in codes.split()), 2)
    return Fraction(money.money("amount"), 10**decimals)


def _optional(payload: Payload, name: str) -> Fraction:
    return _money(payload, name) if payload.has(name) else ZERO
