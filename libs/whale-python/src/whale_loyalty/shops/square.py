"""Square: the Order of the Orders API and the PaymentRefund of the Refunds API.

Money is in the currency's smallest unit. The webhooks `order.updated` and `refund.updated` only announce a
change, so the handler fetches the order. A refund has only an amount, so it is spread over all parts of
the order.
"""

from collections.abc import Mapping
from fractions import Fraction
from typing import Any, Final

from whale_loyalty.models import EventInput
from whale_loyalty.shops import _orders
from whale_loyalty.shops._orders import GOODS, ZERO, Earns, Order, Parts, Refund
from whale_loyalty.shops._payload import Payload

# The number of a currency's decimals (ISO 4217) if it is not two.
_OTHER_DECIMALS: Final = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}


def order_completed(order: Mapping[str, Any], *, earns: Earns = GOODS) -> EventInput:
    """The event for an order whose `state` is COMPLETED."""
    return _orders.order_completed_event(_order(Payload(order)), earns)


def order_refunded(
    refund: Mapping[str, Any], *, order: Mapping[str, Any], earns: Earns = GOODS
) -> EventInput:
    """The event for a refund whose `status` is COMPLETED; `order` is the order that was paid. The
    refund's own `order_id` may name a different order, which Square creates for the return."""
    refund_payload, mapped = Payload(refund), _order(Payload(order))
    if refund_payload.text("status") != "COMPLETED":
        raise refund_payload.error("status", "must be COMPLETED: nothing is refunded before")
    return _orders.order_refunded_event(_refund(refund_payload), mapped, earns)


def _order(order: Payload) -> Order:
    if order.text("state") != "COMPLETED":
        raise order.error("state", "must be COMPLETED")
    tenders = order.children("tenders")
    charges = order.children("service_charges")
    return Order(
        id=order.id("id"),
        customer_id=_customer_id(order, tenders),
        currency=order.child("total_money").text("currency"),
        completed_at=order.time("closed_at"),
        parts=Parts(
            total=_money(order, "total_money"),
            tax=_optional_money(order, "total_tax_money"),
            shipping=sum(
                (_untaxed(charge) for charge in charges if not _is_gratuity(charge)), ZERO
            ),
            tips=_optional_money(order, "total_tip_money")
            + sum((_untaxed(charge) for charge in charges if _is_gratuity(charge)), ZERO),
            gift_cards_sold=sum(
                (
                    _money(line, "total_money")
                    for line in order.children("line_items")
                    if line.has("item_type") and line.text("item_type") == "GIFT_CARD"
                ),
                ZERO,
            ),
            gift_cards=sum(
                (
                    _money(tender, "amount_money")
                    for tender in tenders
                    if tender.text("type") == "SQUARE_GIFT_CARD"
                ),
                ZERO,
            ),
        ),
    )


def _refund(refund: Payload) -> Refund:
    total = _money(refund, "amount_money")
    return Refund(
        id=refund.id("id"),
        refunded_at=refund.time("created_at"),
        parts=Parts(total=total, other=total),
    )


def _customer_id(order: Payload, tenders: list[Payload]) -> str | None:
    """The order's customer, else the first customer of its payments, by a card on file."""
    ids = (payload.customer_id("customer_id") for payload in (order, *tenders))
    return next((customer_id for customer_id in ids if customer_id is not None), None)


def _is_gratuity(charge: Payload) -> bool:
    return charge.has("type") and charge.text("type") == "AUTO_GRATUITY"


def _untaxed(charge: Payload) -> Fraction:
    """A service charge, such as shipping, without its tax."""
    return _money(charge, "total_money") - _optional_money(charge, "total_tax_money")


def _money(payload: Payload, name: str) -> Fraction:
    money = payload.child(name)
    currency = money.text("currency").upper()
    decimals = next(
        (digits for digits, codes in _OTHER_DECIMALS.items() if currency in codes.split()), 2
    )
    return Fraction(money.money("amount"), 10**decimals)


def _optional_money(payload: Payload, name: str) -> Fraction:
    return _money(payload, name) if payload.has(name) else ZERO
