"""Orders and refunds as the platforms document them, reduced to the fields that matter here.

Each order is of goods for 50.00 after discounts, tax of 4.00 and shipping for 6.00: 60.00. Each refund
returns goods for 20.00 and their tax of 1.60, except Square's: 12.00, not assigned to a part of the order.
"""

from typing import Any

CUSTOMER = 6940095564
PARIS = "2026-03-10T13:00:00+01:00"
NOON = "2026-03-10T12:00:00Z"
NEXT_DAY = "2026-03-11T09:30:00Z"

Json = dict[str, Any]


def money_set(amount: str, *, presented: str | None = None, currency: str = "USD") -> Json:
    """A Shopify amount: in the shop's currency, and in the currency that the customer saw."""
    return {
        "shop_money": {"amount": amount, "currency_code": "USD"},
        "presentment_money": {"amount": presented or amount, "currency_code": currency},
    }


def shopify_order(**changes: Any) -> Json:
    return {
        "id": 5678901234567,
        "admin_graphql_api_id": "gid://shopify/Order/5678901234567",
        "name": "#1042",
        "order_number": 1042,
        "created_at": "2026-03-10T12:59:58+01:00",
        "processed_at": PARIS,
        "currency": "USD",
        "presentment_currency": "USD",
        "financial_status": "paid",
        "taxes_included": False,
        "total_price": "60.00",
        "total_price_set": money_set("60.00"),
        "total_tax": "4.00",
        "total_tax_set": money_set("4.00"),
        "total_shipping_price_set": money_set("6.00"),
        "total_tip_received": "0.00",
        "original_total_duties_set": None,
        "payment_gateway_names": ["shopify_payments"],
        "customer": {"id": CUSTOMER, "email": "ada@example.com"},
        "line_items": [
            {
                "id": 11,
                "quantity": 1,
                "price_set": money_set("50.00"),
                "total_discount": "0.00",
                "gift_card": False,
            }
        ],
        "shipping_lines": [{"price_set": money_set("6.00"), "tax_lines": []}],
        "refunds": [],
        **changes,
    }


def shopify_refund(**changes: Any) -> Json:
    return {
        "id": 929361464,
        "order_id": 5678901234567,
        "created_at": "2026-03-11T10:30:00+01:00",
        "refund_line_items": [
            {
                "id": 21,
                "quantity": 1,
                "subtotal": 20.0,
                "subtotal_set": money_set("20.00"),
                "total_tax": 1.6,
                "total_tax_set": money_set("1.60"),
                "line_item": {"id": 11, "gift_card": False},
            }
        ],
        "refund_shipping_lines": [],
        "order_adjustments": [],
        "transactions": [
            {
                "id": 31,
                "kind": "refund",
                "status": "success",
                "gateway": "shopify_payments",
                "amount": "21.60",
                "currency": "USD",
            }
        ],
        **changes,
    }


def graphql_set(amount: str) -> Json:
    return {"shopMoney": {"amount": amount, "currencyCode": "USD"}}


def shopify_graphql_order(**changes: Any) -> Json:
    return {
        "id": "gid://shopify/Order/5678901234567",
        "name": "#1042",
        "processedAt": NOON,
        "taxesIncluded": False,
        "totalPriceSet": graphql_set("60.0"),
        "totalTaxSet": graphql_set("4.0"),
        "totalShippingPriceSet": graphql_set("6.0"),
        "totalTipReceivedSet": graphql_set("0.0"),
        "customer": {"id": f"gid://shopify/Customer/{CUSTOMER}"},
        "lineItems": {
            "nodes": [{"isGiftCard": False, "discountedTotalSet": graphql_set("50.0")}],
        },
        "shippingLines": {"edges": [{"node": {"taxLines": []}}]},
        **changes,
    }


def shopify_graphql_refund(**changes: Any) -> Json:
    return {
        "id": "gid://shopify/Refund/929361464",
        "createdAt": NEXT_DAY,
        "totalRefundedSet": graphql_set("21.6"),
        "refundLineItems": {
            "edges": [
                {
                    "node": {
                        "subtotalSet": graphql_set("20.0"),
                        "totalTaxSet": graphql_set("1.6"),
                        "lineItem": {"isGiftCard": False},
                    }
                }
            ]
        },
        "refundShippingLines": {"nodes": []},
        **changes,
    }


def woocommerce_order(**changes: Any) -> Json:
    return {
        "id": 723,
        "number": "723",
        "status": "processing",
        "currency": "USD",
        "customer_id": CUSTOMER,
        "date_created": "2026-03-10T08:59:40",
        "date_created_gmt": "2026-03-10T11:59:40",
        "date_paid": "2026-03-10T09:00:00",
        "date_paid_gmt": "2026-03-10T12:00:00",
        "prices_include_tax": False,
        "discount_total": "5.00",
        "shipping_total": "6.00",
        "shipping_tax": "0.00",
        "cart_tax": "4.00",
        "total": "60.00",
        "total_tax": "4.00",
        "refunds": [],
        **changes,
    }


def woocommerce_refund(**changes: Any) -> Json:
    return {
        "id": 726,
        "parent_id": 723,
        "date_created": "2026-03-11T06:30:00",
        "date_created_gmt": "2026-03-11T09:30:00",
        "amount": "21.60",
        "reason": "",
        "line_items": [{"id": 314, "quantity": -1, "total": "-20.00", "total_tax": "-1.60"}],
        "shipping_lines": [],
        "fee_lines": [],
        **changes,
    }


def bigcommerce_order(**changes: Any) -> Json:
    return {
        "id": 218,
        "customer_id": CUSTOMER,
        "date_created": "Tue, 10 Mar 2026 12:00:00 +0000",
        "status_id": 11,
        "status": "Awaiting Fulfillment",
        "subtotal_ex_tax": "55.0000",
        "shipping_cost_ex_tax": "5.0000",
        "handling_cost_ex_tax": "1.0000",
        "total_ex_tax": "56.0000",
        "total_inc_tax": "60.0000",
        "total_tax": "4.0000",
        "discount_amount": "5.0000",
        "store_credit_amount": "0.0000",
        "gift_certificate_amount": "0.0000",
        "refunded_amount": "0.0000",
        "currency_code": "USD",
        "default_currency_code": "USD",
        "products": {"url": "https://api.example.com/v2/orders/218/products"},
        **changes,
    }


def bigcommerce_refund(**changes: Any) -> Json:
    return {
        "id": 12,
        "order_id": 218,
        "created": "2026-03-11T09:30:00+00:00",
        "reason": "",
        "total_amount": 21.6,
        "total_tax": 1.6,
        "items": [{"item_type": "PRODUCT", "item_id": 87, "quantity": 1, "requested_amount": None}],
        "payments": [{"id": 13, "provider_id": "x", "amount": 21.6, "is_declined": False}],
        **changes,
    }


def magento_order(**changes: Any) -> Json:
    return {
        "entity_id": 42,
        "increment_id": "000000042",
        "state": "processing",
        "status": "processing",
        "customer_id": CUSTOMER,
        "customer_is_guest": 0,
        "created_at": "2026-03-10 12:00:00",
        "base_currency_code": "USD",
        "order_currency_code": "EUR",
        "base_grand_total": 60,
        "grand_total": 55.2,
        "base_subtotal": 55,
        "base_discount_amount": -5,
        "base_tax_amount": 4,
        "base_shipping_amount": 6,
        "base_shipping_discount_amount": 0,
        "items": [{"item_id": 1, "product_type": "simple", "base_row_total": 55}],
        **changes,
    }


def magento_refund(**changes: Any) -> Json:
    return {
        "entity_id": 7,
        "increment_id": "000000007",
        "order_id": 42,
        "state": 2,
        "created_at": "2026-03-11 09:30:00",
        "base_grand_total": 21.6,
        "base_tax_amount": 1.6,
        "base_shipping_amount": 0,
        "base_adjustment_positive": 0,
        "base_adjustment_negative": 0,
        **changes,
    }


def cents(amount: int, currency: str = "USD") -> Json:
    return {"amount": amount, "currency": currency}


def square_order(**changes: Any) -> Json:
    return {
        "id": "CAISENgvlJ6jLWAzERDzjyHVybY",
        "location_id": "LOC1",
        "state": "COMPLETED",
        "customer_id": str(CUSTOMER),
        "created_at": "2026-03-10T11:59:00.000Z",
        "closed_at": NOON,
        "total_money": cents(6000),
        "total_tax_money": cents(400),
        "total_tip_money": cents(0),
        "line_items": [{"item_type": "ITEM", "total_money": cents(5000)}],
        "service_charges": [
            {"type": "CUSTOM", "name": "Shipping", "total_money": cents(600)},
        ],
        "tenders": [{"id": "T1", "type": "CARD", "amount_money": cents(6000)}],
        **changes,
    }


def square_refund(**changes: Any) -> Json:
    return {
        "id": "R2B3Z8WMVt3EAmzYWLZvz7Y69EbZY_1",
        "order_id": "ReturnOrderOfItsOwn",
        "payment_id": "T1",
        "status": "COMPLETED",
        "created_at": NEXT_DAY,
        "amount_money": cents(1200),
        **changes,
    }
