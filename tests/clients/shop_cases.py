"""Every platform with its documented payloads, and the amounts of the mapped events."""

from collections.abc import Callable

import pytest

from tests.clients import shop_payloads as payloads
from tests.clients.shop_payloads import Json, cents, graphql_set
from whale_loyalty.shops import (
    Earns,
    Shop,
    bigcommerce,
    magento,
    shopify,
    square,
    woocommerce,
)

Build = Callable[..., Json]

CASES: dict[str, tuple[Shop, Build, Build]] = {
    "Shopify, REST": (shopify, payloads.shopify_order, payloads.shopify_refund),
    "Shopify, GraphQL": (
        shopify,
        payloads.shopify_graphql_order,
        payloads.shopify_graphql_refund,
    ),
    "WooCommerce": (woocommerce, payloads.woocommerce_order, payloads.woocommerce_refund),
    "BigCommerce": (bigcommerce, payloads.bigcommerce_order, payloads.bigcommerce_refund),
    "Magento": (magento, payloads.magento_order, payloads.magento_refund),
    "Square": (square, payloads.square_order, payloads.square_refund),
}

CARD_OF_20 = [{"gateway": "gift_card", "kind": "sale", "status": "success", "amount": "20.00"}]

PAID_WITH_CARD = [
    pytest.param(shopify, payloads.shopify_order(transactions=CARD_OF_20), id="Shopify"),
    pytest.param(
        shopify,
        payloads.shopify_graphql_order(
            transactions=[
                {
                    "gateway": "gift_card",
                    "kind": "SALE",
                    "status": "SUCCESS",
                    "amountSet": graphql_set("20.0"),
                },
                {
                    "gateway": "gift_card",
                    "kind": "SALE",
                    "status": "FAILURE",
                    "amountSet": graphql_set("9.0"),
                },
            ]
        ),
        id="Shopify, GraphQL",
    ),
    pytest.param(
        bigcommerce,
        payloads.bigcommerce_order(gift_certificate_amount="20.0000"),
        id="BigCommerce",
    ),
    pytest.param(
        magento,
        payloads.magento_order(
            base_grand_total=40, extension_attributes={"base_gift_cards_amount": 20}
        ),
        id="Magento",
    ),
    pytest.param(
        square,
        payloads.square_order(
            tenders=[
                {"type": "SQUARE_GIFT_CARD", "amount_money": cents(2000)},
                {"type": "CARD", "amount_money": cents(4000)},
            ]
        ),
        id="Square",
    ),
]


def order_of(shop: Shop) -> Json:
    """A platform's documented order."""
    return next(order for platform, order, _ in CASES.values() if platform is shop)()


def total(shop: Shop, order: Json, **earns: bool) -> str:
    mapped = shop.order_completed(order, earns=Earns(**earns))
    value: str = mapped["data"]["total"]
    return value


def amount(shop: Shop, refund: Json, order: Json, **earns: bool) -> str:
    mapped = shop.order_refunded(refund, order=order, earns=Earns(**earns))
    value: str = mapped["data"]["amount"]
    return value
