"""Reading money, times and ids from shops' payloads, and the errors that name an invalid field."""

import decimal
from decimal import Decimal
from typing import Any

import pytest

from tests.clients import shop_payloads as payloads
from tests.clients.shop_cases import CASES, total
from tests.clients.shop_payloads import Json
from tests.clients.shop_payloads import woocommerce_order as woo
from whale_loyalty.errors import WhaleError
from whale_loyalty.shops import (
    PayloadError,
    Shop,
    bigcommerce,
    magento,
    shopify,
    square,
    woocommerce,
)

# The required fields of an order, by shop.
REQUIRED = {
    "Shopify, REST": (
        *("id", "name", "processed_at", "total_price_set", "total_tax_set"),
        *("total_shipping_price_set", "taxes_included"),
    ),
    "Shopify, GraphQL": (
        *("id", "name", "processedAt", "totalPriceSet", "totalTaxSet"),
        *("totalShippingPriceSet", "taxesIncluded"),
    ),
    "WooCommerce": (
        *("id", "number", "currency", "date_paid_gmt"),
        *("total", "total_tax", "shipping_total"),
    ),
    "BigCommerce": (
        *("id", "default_currency_code", "date_created"),
        *("total_inc_tax", "total_tax", "shipping_cost_ex_tax"),
    ),
    "Magento": (
        *("entity_id", "increment_id", "base_currency_code", "created_at"),
        *("base_grand_total", "base_tax_amount"),
    ),
    "Square": ("id", "state", "closed_at", "total_money"),
}


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("50", "50.00"),
        ("50.0000", "50.00"),
        ("50.123456", "50.123456"),
        ("50.1200", "50.12"),
        (50, "50.00"),
        (48.380000000000003, "48.38"),
        (0.1 + 0.2, "0.30"),
        (1e-7, "0.00"),
        (Decimal("12.345"), "12.345"),
        ("999999999999.99", "999999999999.99"),
    ],
)
def test_money_is_read_exactly(written: object, expected: str) -> None:
    order = woo(total=written, total_tax="0", shipping_total="0")
    assert total(woocommerce, order) == expected


def test_an_applications_decimal_context_does_not_round_money() -> None:
    order = woo(total="123456.78", total_tax="0.01", shipping_total="0")
    with decimal.localcontext(prec=3):
        assert total(woocommerce, order) == "123456.77"


@pytest.mark.parametrize(
    "value",
    [
        *("", "1_000", "٥٠", " 50.00 ", "50.00\n", "+50", "50.", "5e1", "0.1234567", "1" * 14),
        *("$50", "NaN", True, float("nan"), float("inf"), Decimal("NaN"), [], {}),
    ],
)
def test_an_invalid_amount_is_refused(value: object) -> None:
    with pytest.raises(PayloadError, match="invalid_payload: total: must be an amount") as caught:
        woocommerce.order_completed(woo(total=value))
    assert caught.value.field == "total"


@pytest.mark.parametrize(
    ("shop", "order", "expected"),
    [
        (woocommerce, woo(date_paid_gmt="2026-07-01T00:30:00"), "2026-07-01T00:30:00Z"),
        (woocommerce, woo(date_paid_gmt="2026-07-01T00:30:00Z"), "2026-07-01T00:30:00Z"),
        (
            magento,
            payloads.magento_order(created_at="2026-07-01 00:30:00"),
            "2026-07-01T00:30:00Z",
        ),
        (
            shopify,
            payloads.shopify_order(processed_at="2026-07-01T00:30:00-04:00"),
            "2026-07-01T04:30:00Z",
        ),
        (
            bigcommerce,
            payloads.bigcommerce_order(date_created="Wed, 01 Jul 2026 00:30:00 +0200"),
            "2026-06-30T22:30:00Z",
        ),
        (
            square,
            payloads.square_order(closed_at="2026-07-01T00:30:00.123Z"),
            "2026-07-01T00:30:00.123000Z",
        ),
    ],
)
def test_times_are_converted_to_utc(shop: Shop, order: Json, expected: str) -> None:
    assert shop.order_completed(order)["data"]["completed_at"] == expected


@pytest.mark.parametrize(
    ("shop", "order", "field"),
    [
        (shopify, payloads.shopify_order(processed_at="2026-03-10T12:00:00"), "processed_at"),
        (shopify, payloads.shopify_order(processed_at=1773144000), "processed_at"),
        (shopify, payloads.shopify_order(processed_at="2026-03-10"), "processed_at"),
        (woocommerce, woo(date_paid_gmt=None), "date_paid_gmt"),
        (woocommerce, woo(date_paid_gmt="2026-03-10"), "date_paid_gmt"),
        (woocommerce, woo(date_paid_gmt="yesterday"), "date_paid_gmt"),
        (bigcommerce, payloads.bigcommerce_order(date_created=""), "date_created"),
        (bigcommerce, payloads.bigcommerce_order(date_created="10 Mar 2026"), "date_created"),
        (bigcommerce, payloads.bigcommerce_order(date_created="soon"), "date_created"),
        (magento, payloads.magento_order(created_at="0000-00-00 00:00:00"), "created_at"),
        (square, payloads.square_order(closed_at="0001-01-01T00:00:00+14:00"), "closed_at"),
        (square, payloads.square_order(state="OPEN"), "state"),
        (square, payloads.square_order(total_money={"amount": 1}), "total_money.currency"),
        (square, payloads.square_order(tenders=[{"type": 5}]), "tenders[0].type"),
        (square, payloads.square_order(tenders="none"), "tenders"),
        (shopify, payloads.shopify_order(customer=5), "customer"),
        (shopify, payloads.shopify_order(customer={"id": [1]}), "customer.id"),
        (shopify, payloads.shopify_order(taxes_included="no"), "taxes_included"),
        (magento, payloads.magento_order(items=[5]), "items[0]"),
        (magento, payloads.magento_order(customer_id={}), "customer_id"),
        (magento, payloads.magento_order(entity_id=True), "entity_id"),
        (magento, [], "payload"),
    ],
)
def test_an_invalid_field_is_named(shop: Shop, order: Any, field: str) -> None:
    with pytest.raises(PayloadError) as caught:
        shop.order_completed(order)
    assert caught.value.field == field
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, WhaleError)


@pytest.mark.parametrize(
    ("case", "field"), [(case, field) for case, fields in REQUIRED.items() for field in fields]
)
def test_a_missing_field_is_named_and_not_read_as_zero(case: str, field: str) -> None:
    shop, order, _ = CASES[case]
    payload = order()
    del payload[field]
    snake = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in field)
    with pytest.raises(PayloadError, match="missing") as caught:
        shop.order_completed(payload)
    assert caught.value.field == snake
