"""The handlers of docs/shops.md, run as they are printed, with shops' documented payloads: on the real
stack each order earns and each refund claws back, to the point."""

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


def api(answers: dict[str, Json]) -> Get:
    """A shop's API: what it answers to a path, known by how the path ends."""

    def get(path: str) -> Json:
        (found,) = (one for end, one in answers.items() if path.endswith(end))
        return found

    return get


@pytest.fixture
async def mine(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """A store with a program of ten points a dollar, and its key where the programs look for it."""
    monkeypatch.setenv("WHALE_API_KEY", shop.key)
    monkeypatch.setenv("WHALE_BASE_URL", shop.stack.gateway)
    await shop.program(tiers=[])
    return shop


class Program:
    """One of the page's programs, each of its handlers run in a thread."""

    def __init__(self, name: str) -> None:
        self._names: dict[str, Any] = {}
        exec(PROGRAMS[name], self._names)

    async def handle(self, name: str, *arguments: Any) -> None:
        await asyncio.to_thread(self._names[name], *arguments)

    def close(self) -> None:
        self._names["whale"].close()


def test_the_page_has_a_program_for_every_shop() -> None:
    names = {"any_shop.py", "with_tax.py"} | {f"{shop}_shop.py" for shop in shops.SHOPS}
    assert set(PROGRAMS) == names


def test_the_pages_query_asks_for_all_that_the_mapping_reads() -> None:
    (query,) = re.findall(r"^```graphql\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    asked = set(re.findall(r"\w+", query)) | {"edges", "node", "nodes"}
    for payload in (payloads.shopify_graphql_order(), payloads.shopify_graphql_refund()):
        assert names_in(payload) <= asked


def names_in(value: Any) -> set[str]:
    """The names of all members, however deep."""
    match value:
        case dict():
            return set(value).union(*map(names_in, value.values()))
        case list():
            return set().union(*map(names_in, value))
        case _:
            return set()


# The handlers that an order and a refund reach, and the points that are clawed back.
HANDLED: dict[str, tuple[list[tuple[Any, ...]], list[tuple[Any, ...]], int]] = {
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
                api({"/orders/5678901234567.json": {"order": payloads.shopify_order()}}),
            )
        ],
        200,
    ),
    "woocommerce_shop.py": (
        [("order_updated", payloads.woocommerce_order(), api({}))],
        [
            (
                "order_updated",
                payloads.woocommerce_order(refunds=[{"id": 726, "total": "-21.60"}]),
                api({"/orders/723/refunds/726": payloads.woocommerce_refund()}),
            )
        ],
        200,
    ),
    "bigcommerce_shop.py": (
        [
            (
                "order_status_updated",
                {"data": {"id": 218}},
                api({"/v2/orders/218": payloads.bigcommerce_order()}),
            )
        ],
        [
            (
                "order_refund_created",
                {"data": {"id": 218, "refund": {"refund_id": 12}}},
                api(
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
        [("order_saved", 42, api({"/orders/42": payloads.magento_order()}))],
        [
            (
                "credit_memo_saved",
                7,
                api(
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
                api({"/orders/ORDER": {"order": payloads.square_order()}}),
            )
        ],
        [
            (
                "refund_updated",
                {"data": {"object": {"refund": payloads.square_refund()}}},
                api(
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


@pytest.mark.parametrize("name", HANDLED)
async def test_an_order_earns_and_its_refund_claws_back_once(mine: Shop, name: str) -> None:
    orders, refunds, clawed_back = HANDLED[name]
    earned = 540 if name == "with_tax.py" else 500
    program = Program(name)
    try:
        for _ in range(2):  # webhooks are delivered again
            for call in (*orders, *refunds):
                await program.handle(*call)
        status = await mine.balance_becomes(earned - clawed_back, str(CUSTOMER))
    finally:
        program.close()
    assert [one["points"] for one in status["transactions"]] == [
        *([-clawed_back] if refunds else []),
        earned,
    ]


async def test_an_event_goes_over_kafka_as_the_page_says(mine: Shop) -> None:
    event = shopify.order_completed(payloads.shopify_order())
    await mine.publish(event["data"] | {"store_id": mine.store_id}, topic=event["type"])
    status = await mine.balance_becomes(500, str(CUSTOMER))
    assert [one["reason"] for one in status["transactions"]] == ["Order #1042"]


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
        pytest.param(*GRAPHQL, Earns(tax=True, shipping=True), 600, 216, id="all of it"),
        pytest.param(
            WITH_CARD, payloads.shopify_refund(), Earns(gift_cards=False), 300, 120, id="a card"
        ),
    ],
)
async def test_what_earns_is_what_is_clawed_back(
    mine: Shop, order: Json, refund: Json, earns: Earns, earned: int, clawed_back: int
) -> None:
    async with AsyncWhaleClient() as whale:
        await whale.events.send(shopify.order_completed(order, earns=earns))
        await mine.balance_becomes(earned, str(CUSTOMER))
        await whale.events.send(shopify.order_refunded(refund, order=order, earns=earns))
        await mine.balance_becomes(earned - clawed_back, str(CUSTOMER))
