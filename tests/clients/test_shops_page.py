"""The handlers of docs/shops.md, run unchanged on the real stack with the platforms' documented payloads:
each order earns and each refund claws back exactly the expected points."""

import asyncio
import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.clients import shop_payloads as payloads
from tests.clients.shop_payloads import CUSTOMER, Json
from tests.support import ROOT, Shop
from whale_loyalty import AsyncWhaleClient, shops
from whale_loyalty.shops import Earns, shopify

PAGE = ROOT / "docs/shops.md"
_PROGRAM = re.compile(r"^`([\w.]+)`:\n\n```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PROGRAMS: dict[str, str] = dict(_PROGRAM.findall(PAGE.read_text(encoding="utf-8")))

Get = Callable[[str], Any]


def fake_api(responses: dict[str, Json]) -> Get:
    """A platform's API; `responses` are keyed by the end of the path."""

    def get(path: str) -> Json:
        (response,) = (body for end, body in responses.items() if path.endswith(end))
        return response

    return get


@pytest.fixture
async def demo_shop(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """A store with a program of ten points per dollar; its key is in the environment."""
    monkeypatch.setenv("WHALE_API_KEY", shop.key)
    monkeypatch.setenv("WHALE_BASE_URL", shop.stack.gateway)
    await shop.program(tiers=[])
    return shop


class Program:
    """One of the page's programs; each handler runs in a thread."""

    def __init__(self, name: str) -> None:
        self._names: dict[str, Any] = {}
        exec(PROGRAMS[name], self._names)

    async def handle(self, name: str, *arguments: Any) -> None:
        await asyncio.to_thread(self._names[name], *arguments)

    def close(self) -> None:
        self._names["whale"].close()


def test_the_page_has_a_program_for_every_platform() -> None:
    names = {"any_shop.py", "with_tax.py"} | {f"{shop}_shop.py" for shop in shops.SHOPS}
    assert set(PROGRAMS) == names


def test_the_pages_graphql_query_requests_every_field_that_the_mapping_reads() -> None:
    (query,) = re.findall(r"^```graphql\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    requested = set(re.findall(r"\w+", query)) | {"edges", "node", "nodes"}
    for payload in (payloads.shopify_graphql_order(), payloads.shopify_graphql_refund()):
        assert member_names(payload) <= requested


def member_names(value: Any) -> set[str]:
    """The names of all members at every depth."""
    match value:
        case dict():
            return set(value).union(*map(member_names, value.values()))
        case list():
            return set().union(*map(member_names, value))
        case _:
            return set()


# Per program: the handler calls for orders and for refunds, and the points clawed back.
HANDLER_CALLS: dict[str, tuple[list[tuple[Any, ...]], list[tuple[Any, ...]], int]] = {
    "any_shop.py": ([("order_paid", payloads.shopify_order())], [], 0),
    "with_tax.py": (
        [("order_paid", payloads.shopify_order())],
        [("order_refunded", payloads.shopify_refund(), payloads.shopify_order())],
        216,
    ),
    "shopify_shop.py": (
        [("orders_paid", payloads.shopify_order())],
        [
            (
                "refunds_create",
                payloads.shopify_refund(),
                fake_api({"/orders/5678901234567.json": {"order": payloads.shopify_order()}}),
            )
        ],
        200,
    ),
    "woocommerce_shop.py": (
        [("order_updated", payloads.woocommerce_order(), fake_api({}))],
        [
            (
                "order_updated",
                payloads.woocommerce_order(refunds=[{"id": 726, "total": "-21.60"}]),
                fake_api({"/orders/723/refunds/726": payloads.woocommerce_refund()}),
            )
        ],
        200,
    ),
    "bigcommerce_shop.py": (
        [
            (
                "order_status_updated",
                {"data": {"id": 218}},
                fake_api({"/v2/orders/218": payloads.bigcommerce_order()}),
            )
        ],
        [
            (
                "order_refund_created",
                {"data": {"id": 218, "refund": {"refund_id": 12}}},
                fake_api(
                    {
                        "/v2/orders/218": payloads.bigcommerce_order(),
                        "/218/payment_actions/refunds": {"data": [payloads.bigcommerce_refund()]},
                    }
                ),
            )
        ],
        200,
    ),
    "magento_shop.py": (
        [("order_saved", 42, fake_api({"/orders/42": payloads.magento_order()}))],
        [
            (
                "credit_memo_saved",
                7,
                fake_api(
                    {
                        "/orders/42": payloads.magento_order(),
                        "/creditmemo/7": payloads.magento_refund(),
                    }
                ),
            )
        ],
        200,
    ),
    "square_shop.py": (
        [
            (
                "order_updated",
                {"data": {"id": "ORDER"}},
                fake_api({"/orders/ORDER": {"order": payloads.square_order()}}),
            )
        ],
        [
            (
                "refund_updated",
                {"data": {"object": {"refund": payloads.square_refund()}}},
                fake_api(
                    {
                        "/payments/T1": {"payment": {"order_id": "ORDER"}},
                        "/orders/ORDER": {"order": payloads.square_order()},
                    }
                ),
            )
        ],
        100,
    ),
}


@pytest.mark.parametrize("name", HANDLER_CALLS)
async def test_an_order_earns_and_its_refund_claws_back_once(demo_shop: Shop, name: str) -> None:
    orders, refunds, clawed_back = HANDLER_CALLS[name]
    earned = 540 if name == "with_tax.py" else 500
    program = Program(name)
    try:
        for _ in range(2):  # webhooks are redelivered
            for call in (*orders, *refunds):
                await program.handle(*call)
        status = await demo_shop.balance_becomes(earned - clawed_back, str(CUSTOMER))
    finally:
        program.close()
    assert [transaction["points"] for transaction in status["transactions"]] == [
        *([-clawed_back] if refunds else []),
        earned,
    ]


async def test_an_event_can_be_published_to_kafka_as_the_page_says(demo_shop: Shop) -> None:
    event = shopify.order_completed(payloads.shopify_order())
    await demo_shop.publish(event["data"] | {"store_id": demo_shop.store_id}, topic=event["type"])
    status = await demo_shop.balance_becomes(500, str(CUSTOMER))
    assert [transaction["reason"] for transaction in status["transactions"]] == ["Order #1042"]


GRAPHQL = (payloads.shopify_graphql_order(), payloads.shopify_graphql_refund())
WITH_CARD = payloads.shopify_order(
    transactions=[
        {"gateway": "gift_card", "kind": "sale", "status": "success", "amount": "20.00"},
    ]
)


@pytest.mark.parametrize(
    ("order", "refund", "earns", "earned", "clawed_back"),
    [
        pytest.param(*GRAPHQL, Earns(), 500, 200, id="GraphQL"),
        pytest.param(*GRAPHQL, Earns(tax=True), 540, 216, id="with tax"),
        pytest.param(*GRAPHQL, Earns(tax=True, shipping=True), 600, 216, id="the whole total"),
        pytest.param(
            WITH_CARD,
            payloads.shopify_refund(),
            Earns(gift_cards=False),
            300,
            120,
            id="paid with a gift card",
        ),
    ],
)
async def test_a_refund_claws_back_from_the_parts_that_earned(
    demo_shop: Shop, order: Json, refund: Json, earns: Earns, earned: int, clawed_back: int
) -> None:
    async with AsyncWhaleClient() as whale:
        await whale.events.send(shopify.order_completed(order, earns=earns))
        await demo_shop.balance_becomes(earned, str(CUSTOMER))
        await whale.events.send(shopify.order_refunded(refund, order=order, earns=earns))
        await demo_shop.balance_becomes(earned - clawed_back, str(CUSTOMER))
