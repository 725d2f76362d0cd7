"""The documented refunds of shop platforms, mapped to `order.refunded`."""

import itertools
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.clients import shop_payloads as payloads
from tests.clients.shop_cases import CASES, PAID_WITH_CARD, amount, order_of, total
from tests.clients.shop_payloads import CUSTOMER, NEXT_DAY, Json, cents, money_set
from whale_loyalty.shops import (
    Earns,
    PayloadError,
    Shop,
    bigcommerce,
    magento,
    shopify,
    square,
    woocommerce,
)


@pytest.mark.parametrize(
    ("case", "refund_id", "expected"),
    [
        ("Shopify, REST", "929361464", "20.00"),
        ("Shopify, GraphQL", "929361464", "20.00"),
        ("WooCommerce", "726", "20.00"),
        ("BigCommerce", "12", "20.00"),
        ("Magento", "7", "20.00"),
        # 12.00 of 60.00, not assigned to a part of the order: a fifth of 50.00.
        ("Square", "R2B3Z8WMVt3EAmzYWLZvz7Y69EbZY_1", "10.00"),
    ],
)
def test_a_refund_is_mapped(case: str, refund_id: str, expected: str) -> None:
    shop, order, refund = CASES[case]
    assert shop.order_refunded(refund(), order=order()) == {
        "type": "order.refunded",
        "data": {
            "order_id": shop.order_completed(order())["data"]["order_id"],
            "customer_id": str(CUSTOMER),
            "refund_id": refund_id,
            "amount": expected,
            "refunded_at": NEXT_DAY,
        },
    }


REFUNDS = [
    pytest.param(
        shopify,
        payloads.shopify_refund(
            refund_line_items=[],
            transactions=[{"kind": "refund", "status": "success", "amount": "12.00"}],
        ),
        "10.00",
        id="Shopify, an amount: split over all parts",
    ),
    pytest.param(
        shopify,
        payloads.shopify_refund(
            transactions=[{"kind": "refund", "status": "success", "amount": "16.60"}]
        ),
        "15.00",
        id="Shopify, less than the lines: a fee was retained",
    ),
    pytest.param(
        shopify,
        payloads.shopify_refund(
            transactions=[
                {"kind": "refund", "status": "failure", "amount": "21.60"},
                {"kind": "refund", "status": "success", "amount": "21.60"},
            ]
        ),
        "20.00",
        id="Shopify, on the second attempt",
    ),
    pytest.param(
        shopify,
        payloads.shopify_refund(
            refund_shipping_lines=[
                {"subtotal_amount_set": money_set("6.00"), "tax_amount_set": money_set("0.00")}
            ],
            transactions=[{"kind": "refund", "status": "success", "amount": "27.60"}],
        ),
        "20.00",
        id="Shopify, with shipping",
    ),
    pytest.param(
        woocommerce,
        payloads.woocommerce_refund(line_items=[], amount="12.00"),
        "10.00",
        id="WooCommerce, an amount",
    ),
    pytest.param(
        woocommerce,
        payloads.woocommerce_refund(line_items=[], amount="-12.00"),
        "10.00",
        id="WooCommerce, a negative amount",
    ),
    pytest.param(
        woocommerce,
        payloads.woocommerce_refund(
            amount="27.60", shipping_lines=[{"total": "-6.00", "total_tax": "0.00"}]
        ),
        "20.00",
        id="WooCommerce, with shipping",
    ),
    pytest.param(
        bigcommerce,
        payloads.bigcommerce_refund(
            total_amount=12, total_tax=0, items=[{"item_type": "ORDER", "requested_amount": 12}]
        ),
        "10.00",
        id="BigCommerce, an amount",
    ),
    pytest.param(
        bigcommerce,
        payloads.bigcommerce_refund(
            total_amount=27.6,
            items=[
                *payloads.bigcommerce_refund()["items"],
                {"item_type": "SHIPPING", "requested_amount": "6.00"},
            ],
        ),
        "20.00",
        id="BigCommerce, with shipping",
    ),
    pytest.param(
        bigcommerce,
        payloads.bigcommerce_refund(payments=[{"amount": 21.6, "is_declined": True}]),
        "0.00",
        id="BigCommerce, declined",
    ),
    pytest.param(
        magento,
        payloads.magento_refund(
            base_grand_total=12, base_tax_amount=0, base_adjustment_positive=12
        ),
        "10.00",
        id="Magento, an adjustment",
    ),
    pytest.param(
        magento,
        payloads.magento_refund(base_grand_total=16.6, base_adjustment_negative=5),
        "15.00",
        id="Magento, a fee was retained",
    ),
    pytest.param(
        magento,
        payloads.magento_refund(base_grand_total=27.6, base_shipping_amount=6),
        "20.00",
        id="Magento, with shipping",
    ),
]


@pytest.mark.parametrize(("shop", "refund", "expected"), REFUNDS)
def test_a_refund_claws_back_from_the_parts_that_earned(
    shop: Shop, refund: Json, expected: str
) -> None:
    assert amount(shop, refund, order_of(shop)) == expected


def test_a_magento_discount_on_shipping_does_not_reduce_the_goods() -> None:
    order = payloads.magento_order(base_grand_total=54, base_shipping_discount_amount=6)
    memo = payloads.magento_refund(base_grand_total=54, base_tax_amount=4, base_shipping_amount=6)
    assert total(magento, order) == "50.00"
    assert amount(magento, memo, order) == "50.00"


def test_included_tax_is_subtracted_from_a_refund_too() -> None:
    """Half of 50.00 that includes 8.00 of tax."""
    order = payloads.shopify_order(
        taxes_included=True,
        total_price_set=money_set("50.00"),
        total_tax_set=money_set("8.00"),
        total_shipping_price_set=money_set("0.00"),
    )
    refund = payloads.shopify_refund()
    refund["refund_line_items"][0] |= {
        "subtotal_set": money_set("25.00"),
        "total_tax_set": money_set("4.00"),
    }
    refund["transactions"][0]["amount"] = "25.00"
    assert amount(shopify, refund, order) == "21.00"


def test_shipping_and_an_amount_on_top_of_prices_that_include_tax() -> None:
    """Half of the goods, all of the shipping (6.00 that includes 1.00 of tax), and 14.00 more."""
    order = payloads.shopify_order(
        taxes_included=True,
        total_price_set=money_set("56.00"),
        total_tax_set=money_set("9.00"),
        shipping_lines=[{"tax_lines": [{"price_set": money_set("1.00")}]}],
    )
    refund = payloads.shopify_refund(
        refund_shipping_lines=[
            {"subtotal_amount_set": money_set("6.00"), "tax_amount_set": money_set("1.00")}
        ],
        transactions=[{"kind": "refund", "status": "success", "amount": "45.00"}],
    )
    refund["refund_line_items"][0] |= {
        "subtotal_set": money_set("25.00"),
        "total_tax_set": money_set("4.00"),
    }
    assert total(shopify, order) == "42.00"
    assert amount(shopify, refund, order) == "31.50"  # 21.00, and 42 / 56 of 14.00


def test_a_refund_of_more_than_the_order_claws_back_at_most_the_earning_amount() -> None:
    refund = payloads.square_refund(amount_money=cents(6100))
    assert amount(square, refund, payloads.square_order()) == "50.00"


def test_a_shopify_order_in_another_currency_is_mapped_in_the_shops_currency() -> None:
    order = payloads.shopify_order(
        total_price_set=money_set("60.00", presented="54.00", currency="EUR"),
    )
    assert shopify.order_completed(order)["data"]["currency"] == "USD"
    refund = payloads.shopify_refund()
    refund["transactions"][0] |= {"amount": "19.44", "currency": "EUR"}
    assert amount(shopify, refund, order) == "20.00"


@pytest.mark.parametrize(("shop", "order"), PAID_WITH_CARD)
def test_a_full_refund_claws_back_everything_for_every_payment_method(
    shop: Shop, order: Json
) -> None:
    whole: dict[int, Json] = {
        id(shopify): payloads.shopify_refund(
            refund_line_items=[],
            transactions=[{"kind": "refund", "status": "success", "amount": "60.00"}],
        ),
        id(bigcommerce): payloads.bigcommerce_refund(
            total_amount=60, items=[{"item_type": "ORDER", "requested_amount": 60}], total_tax=0
        ),
        id(magento): payloads.magento_refund(
            base_grand_total=40,
            base_tax_amount=4,
            base_shipping_amount=6,
            extension_attributes={"base_gift_cards_amount": 20},
        ),
        id(square): payloads.square_refund(amount_money=cents(6000)),
    }
    for earns in (Earns(), Earns(gift_cards=False), Earns(tax=True, gift_cards=False)):
        mapped = shop.order_refunded(whole[id(shop)], order=order, earns=earns)["data"]
        assert mapped["amount"] == shop.order_completed(order, earns=earns)["data"]["total"]


@settings(deadline=None)
@given(
    cuts=st.lists(st.integers(1, 5_999), max_size=6, unique=True),
    tax=st.booleans(),
    shipping=st.booleans(),
)
def test_partial_refunds_add_up_to_the_whole_however_they_are_split(
    cuts: list[int], tax: bool, shipping: bool
) -> None:
    order, earns = payloads.square_order(), {"tax": tax, "shipping": shipping}
    edges = [0, *sorted(cuts), 6_000]
    amounts = [
        Fraction(
            amount(square, payloads.square_refund(amount_money=cents(end - start)), order, **earns)
        )
        for start, end in itertools.pairwise(edges)
    ]
    whole = Fraction(total(square, order, **earns))
    assert whole <= sum(amounts) <= whole + Fraction(len(amounts), 10**6)


@pytest.mark.parametrize(
    ("shop", "refund", "field"),
    [
        (shopify, payloads.shopify_refund(order_id=1), "order_id"),
        (woocommerce, payloads.woocommerce_refund(parent_id=1), "parent_id"),
        (bigcommerce, payloads.bigcommerce_refund(order_id=1), "order_id"),
        (magento, payloads.magento_refund(order_id=1), "order_id"),
        (magento, payloads.magento_refund(state=3), "state"),
        (square, payloads.square_refund(status="PENDING"), "status"),
        (
            shopify,
            payloads.shopify_refund(transactions=[{"kind": "refund", "status": "pending"}]),
            "transactions[0].status",
        ),
    ],
)
def test_a_refund_of_another_order_or_one_that_is_not_completed_is_refused(
    shop: Shop, refund: Json, field: str
) -> None:
    order = order_of(shop)
    with pytest.raises(PayloadError) as caught:
        shop.order_refunded(refund, order=order)
    assert caught.value.field == field
