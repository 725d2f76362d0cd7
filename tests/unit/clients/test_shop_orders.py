"""The documented orders of shop platforms, mapped to `order.completed`."""

import inspect
import json

import pytest

from tests.clients import shop_payloads as payloads
from tests.clients.shop_cases import CARD_OF_20, CASES, PAID_WITH_CARD, Build, total
from tests.clients.shop_payloads import CUSTOMER, NOON, Json, cents, graphql_set, money_set
from whale_loyalty.shops import (
    SHOPS,
    PayloadError,
    Shop,
    bigcommerce,
    magento,
    shopify,
    square,
    woocommerce,
)


@pytest.mark.parametrize(
    ("case", "order_id", "number"),
    [
        ("Shopify, REST", "5678901234567", "1042"),
        ("Shopify, GraphQL", "5678901234567", "1042"),
        ("WooCommerce", "723", "723"),
        ("BigCommerce", "218", "218"),
        ("Magento", "42", "000000042"),
        ("Square", "CAISENgvlJ6jLWAzERDzjyHVybY", None),
    ],
)
def test_an_order_is_mapped(case: str, order_id: str, number: str | None) -> None:
    shop, order, _ = CASES[case]
    data = {
        "order_id": order_id,
        "customer_id": str(CUSTOMER),
        "total": "50.00",
        "currency": "USD",
        "completed_at": NOON,
    }
    if number is not None:
        data["order_number"] = number
    event = shop.order_completed(order())
    assert event == {"type": "order.completed", "data": data}
    assert json.loads(json.dumps(event)) == event


@pytest.mark.parametrize(
    ("shop", "order", "refund"),
    [
        pytest.param(
            shopify,
            payloads.shopify_order(customer=None),
            payloads.shopify_refund(),
            id="Shopify, null",
        ),
        pytest.param(
            shopify,
            payloads.shopify_graphql_order(customer=None),
            payloads.shopify_graphql_refund(),
            id="Shopify, GraphQL, null",
        ),
        pytest.param(
            woocommerce,
            payloads.woocommerce_order(customer_id=0),
            payloads.woocommerce_refund(),
            id="WooCommerce, 0",
        ),
        pytest.param(
            bigcommerce,
            payloads.bigcommerce_order(customer_id=0),
            payloads.bigcommerce_refund(),
            id="BigCommerce, 0",
        ),
        pytest.param(
            magento,
            payloads.magento_order(customer_id=None, customer_is_guest=1),
            payloads.magento_refund(),
            id="Magento, null",
        ),
        pytest.param(
            square,
            {k: v for k, v in payloads.square_order().items() if k != "customer_id"},
            payloads.square_refund(),
            id="Square, absent",
        ),
    ],
)
def test_a_guest_has_no_customer_id(shop: Shop, order: Json, refund: Json) -> None:
    assert "customer_id" not in shop.order_completed(order)["data"]
    assert "customer_id" not in shop.order_refunded(refund, order=order)["data"]


def test_a_square_orders_customer_may_be_in_a_payment() -> None:
    order = payloads.square_order(customer_id=None)
    order["tenders"] = [{**order["tenders"][0], "customer_id": "CUST_ON_FILE"}]
    assert square.order_completed(order)["data"]["customer_id"] == "CUST_ON_FILE"


@pytest.mark.parametrize(("shop", "order", "refund"), CASES.values(), ids=CASES)
@pytest.mark.parametrize(
    ("earns", "expected"),
    [
        ({}, "50.00"),
        ({"tax": True}, "54.00"),
        ({"shipping": True}, "56.00"),
        ({"tax": True, "shipping": True, "tips": True}, "60.00"),
    ],
)
def test_earns_selects_the_parts_that_earn(
    shop: Shop, order: Build, refund: Build, earns: dict[str, bool], expected: str
) -> None:
    assert total(shop, order(), **earns) == expected


@pytest.mark.parametrize(
    ("shop", "order"),
    [
        pytest.param(
            shopify,
            payloads.shopify_order(total_price_set=money_set("65.00"), total_tip_received="5.00"),
            id="Shopify",
        ),
        pytest.param(
            shopify,
            payloads.shopify_graphql_order(
                totalPriceSet=graphql_set("65.0"), totalTipReceivedSet=graphql_set("5.0")
            ),
            id="Shopify, GraphQL",
        ),
        pytest.param(
            square,
            payloads.square_order(total_money=cents(6500), total_tip_money=cents(500)),
            id="Square",
        ),
        pytest.param(
            square,
            payloads.square_order(
                total_money=cents(6500),
                service_charges=[
                    {"type": "AUTO_GRATUITY", "total_money": cents(500)},
                    *payloads.square_order()["service_charges"],
                ],
            ),
            id="Square, a gratuity",
        ),
    ],
)
def test_tips_earn_only_if_the_shop_selects_them(shop: Shop, order: Json) -> None:
    assert total(shop, order) == "50.00"
    assert total(shop, order, tips=True) == "55.00"


@pytest.mark.parametrize(("shop", "order"), PAID_WITH_CARD)
def test_an_amount_paid_with_gift_cards_earns_unless_the_shop_excludes_it(
    shop: Shop, order: Json
) -> None:
    assert total(shop, order) == "50.00"
    assert total(shop, order, gift_cards=False) == "30.00"


@pytest.mark.parametrize(
    ("shop", "order"),
    [
        pytest.param(
            shopify,
            payloads.shopify_order(
                transactions=[{**CARD_OF_20[0], "gateway": "shopify_store_credit"}]
            ),
            id="Shopify",
        ),
        pytest.param(
            bigcommerce,
            payloads.bigcommerce_order(store_credit_amount="20.0000"),
            id="BigCommerce",
        ),
        pytest.param(
            magento,
            payloads.magento_order(
                base_grand_total=40,
                extension_attributes={
                    "base_customer_balance_amount": 15,
                    "base_reward_currency_amount": 5,
                },
            ),
            id="Magento",
        ),
    ],
)
def test_an_amount_paid_with_store_credit_earns_unless_the_shop_excludes_it(
    shop: Shop, order: Json
) -> None:
    assert total(shop, order) == "50.00"
    assert total(shop, order, store_credit=False) == "30.00"


@pytest.mark.parametrize(
    ("shop", "order"),
    [
        pytest.param(
            shopify,
            payloads.shopify_order(
                transactions=[],
                line_items=[
                    {
                        "gift_card": True,
                        "price_set": money_set("5.00"),
                        "quantity": 2,
                        "total_discount": "0.00",
                    }
                ],
            ),
            id="Shopify",
        ),
        pytest.param(
            shopify,
            payloads.shopify_graphql_order(
                transactions=[],
                lineItems={
                    "nodes": [{"isGiftCard": True, "discountedTotalSet": graphql_set("10.0")}]
                },
            ),
            id="Shopify, GraphQL",
        ),
        pytest.param(
            bigcommerce,
            payloads.bigcommerce_order(
                products=[{"type": "giftcertificate", "total_ex_tax": "10.0000"}]
            ),
            id="BigCommerce",
        ),
        pytest.param(
            magento,
            payloads.magento_order(items=[{"product_type": "giftcard", "base_row_total": 10}]),
            id="Magento",
        ),
        pytest.param(
            square,
            payloads.square_order(
                line_items=[{"item_type": "GIFT_CARD", "total_money": cents(1000)}]
            ),
            id="Square",
        ),
    ],
)
def test_a_gift_card_earns_once_either_when_it_is_spent_or_when_it_is_bought(
    shop: Shop, order: Json
) -> None:
    assert total(shop, order) == "40.00"
    assert total(shop, order, gift_cards=False) == "50.00"


def test_shopify_requires_the_transactions_to_exclude_gift_cards() -> None:
    with pytest.raises(PayloadError, match="add them") as caught:
        total(shopify, payloads.shopify_order(), gift_cards=False)
    assert caught.value.field == "transactions"


def test_included_tax_is_subtracted_from_prices() -> None:
    """50.00 that includes 8.00 of tax, and 6.00 of shipping that includes 1.00 of tax."""
    order = payloads.shopify_order(
        taxes_included=True,
        total_price_set=money_set("56.00"),
        total_tax_set=money_set("9.00"),
        shipping_lines=[{"tax_lines": [{"price_set": money_set("1.00")}]}],
    )
    assert total(shopify, order) == "42.00"
    assert total(shopify, order, tax=True) == "51.00"
    assert total(shopify, order, tax=True, shipping=True) == "56.00"


def test_duties_count_as_tax() -> None:
    order = payloads.shopify_order(
        total_price_set=money_set("70.00"), original_total_duties_set=money_set("10.00")
    )
    assert total(shopify, order) == "50.00"
    assert total(shopify, order, tax=True) == "64.00"


@pytest.mark.parametrize(
    ("currency", "minor", "expected"),
    [
        ("USD", 5000, "50.00"),
        ("usd", 5000, "50.00"),
        ("JPY", 5000, "5000.00"),
        ("KWD", 5001, "5.001"),
    ],
)
def test_minor_units_depend_on_the_currency_and_its_code_is_uppercase(
    currency: str, minor: int, expected: str
) -> None:
    order = payloads.square_order(
        total_money=cents(minor, currency),
        total_tax_money=cents(0, currency),
        total_tip_money=cents(0, currency),
        service_charges=[],
        line_items=[],
        tenders=[],
    )
    data = square.order_completed(order)["data"]
    assert (data["total"], data["currency"]) == (expected, currency.upper())


def test_every_shop_has_the_same_two_functions() -> None:
    def shape(shop: object) -> list[str]:
        return [
            str(inspect.signature(getattr(shop, name)))
            for name in ("order_completed", "order_refunded")
        ]

    assert {name for name, _ in inspect.getmembers(Shop, inspect.isfunction)} >= {
        "order_completed",
        "order_refunded",
    }
    assert {tuple(shape(shop)) for shop in SHOPS.values()} == {tuple(shape(shopify))}
