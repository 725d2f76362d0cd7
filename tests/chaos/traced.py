"""Services whose spans a test receives, and a shop that goes everywhere once."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import aiohttp
from aiokafka import AIOKafkaProducer
from msgspec import Struct

from libs.contracts.topics import ORDER_COMPLETED, ORDER_FULFILLED, ORDER_REFUNDED
from libs.testing.eventually import eventually
from tests import forking
from tests.chaos.alone import end
from tests.conftest import is_ready
from tests.spans import Receiver, receiving
from tests.support import Shop, Stack
from tools.stack import config, services
from tools.stack.config import SERVICES

_REFUND: Final = {"refund_id": "r1", "amount": "20.00", "refunded_at": "2026-03-11T12:00:00Z"}


@asynccontextmanager
async def running_traced(stack: Stack) -> AsyncIterator[tuple[Receiver, "TracedShop"]]:
    """A process of each service on the servers of `stack`, and a store that uses them."""
    secrets_, addresses = config.stack_secrets(stack.home), stack.addresses
    with receiving() as receiver:
        traced = {"WHALE_OTLP_ENDPOINT": receiver.endpoint, "WHALE_METRICS_PORT": "0"}
        processes = []
        try:
            for service in SERVICES:
                environment = services.environment(service, addresses, secrets_)
                environment = stack.environment | environment | traced
                processes.append(forking.start(f"services.{service}", environment=environment))
            for service in SERVICES:
                await eventually(_ready(addresses.port_of(service)))
            async with (
                AIOKafkaProducer(bootstrap_servers=stack.kafka) as producer,
                aiohttp.ClientSession() as session,
            ):
                store_id = f"store_{secrets.token_hex(5)}"
                key = await stack.key(store_id)
                shop = Shop(stack, session, producer, store_id=store_id, key=key)
                yield receiver, TracedShop(shop, session)
        finally:
            await asyncio.gather(*map(end, processes))


def _ready(port: int) -> Any:
    async def look() -> None:
        assert await is_ready(port)

    return look


class TracedShop(Struct, frozen=True):
    """Each step in a trace of its own; the methods return the trace's id."""

    shop: Shop
    session: aiohttp.ClientSession

    async def order(self) -> str:
        """Publish an order to Kafka, and wait for its points."""
        await self.shop.program(tiers=[{"name": "All", "min_points": 0, "multiplier": 1}])
        trace, headers = _new_trace()
        await self.shop.publish(self.shop.order("1042"), headers=headers)
        await self.shop.balance_becomes(500)
        return trace

    async def redemption(self) -> str:
        """Create a reward, and redeem it; then one that does not exist."""
        reward = {"name": "Coffee", "points_cost": 100, "type": "perk", "min_tier": "All"}
        created = await self._call("POST", "loyalty/rewards", reward)
        trace, _ = _new_trace()
        body = {"customer_id": "cust_1", "reward_id": created["id"]}
        traced = {"traceparent": _header(trace)}
        response = await self.shop.call("POST", "loyalty/redeem", body, headers=traced)
        assert response.status == 201, response.raw
        unknown = {"customer_id": "cust_1", "reward_id": "rwd_unknown"}
        assert (await self.shop.call("POST", "loyalty/redeem", unknown)).status == 404
        return trace

    async def adjustment(self) -> None:
        await self._call(
            "POST", "loyalty/adjust", {"customer_id": "cust_1", "points": -5, "reason": "Sorry"}
        )

    async def review(self) -> None:
        """Have a burst flagged, and void it."""
        for _ in range(10):
            await self.shop.earn("cust_2", 5)

        async def flagged() -> Any:
            page = await self.shop.call("GET", "loyalty/anomalies?customer_id=cust_2")
            return page.json["data"][0]

        anomaly = await eventually(flagged)
        resolve = {"status": "resolved", "resolution": "voided"}
        await self._call("PATCH", f"loyalty/anomalies/{anomaly['id']}", resolve)
        await self.shop.balance_becomes(0, "cust_2")

    async def events(self) -> None:
        """Send an order and its refund over REST, and a refund to Kafka."""
        order = self.shop.order("2", customer_id="cust_3")
        await self._send(ORDER_COMPLETED, order)
        await self.shop.balance_becomes(500, "cust_3")
        refund = {**_REFUND, "store_id": self.shop.store_id, "order_id": "2"}
        refund["customer_id"] = "cust_3"
        await self._send(ORDER_REFUNDED, refund)
        await self.shop.balance_becomes(300, "cust_3")
        _, headers = _new_trace()
        second = {**refund, "refund_id": "r2"}
        await self.shop.publish(second, topic=ORDER_REFUNDED, headers=headers)
        await self.shop.balance_becomes(100, "cust_3")

    async def fulfillments(self) -> None:
        """Send a fulfillment over REST, and another one to Kafka."""
        event = {"order_id": "2", "customer_id": "cust_3", "fulfilled_at": "2026-03-12T12:00:00Z"}
        event["store_id"] = self.shop.store_id
        await self._send(ORDER_FULFILLED, event)
        _, headers = _new_trace()
        await self.shop.publish(event, topic=ORDER_FULFILLED, headers=headers)

    async def dead_letters(self) -> None:
        """Publish events that are invalid, and drop their dead letters."""
        _, headers = _new_trace()
        order = self.shop.order("3", total="-1")
        await self.shop.publish(order, headers=headers)
        refund = {**_REFUND, "store_id": self.shop.store_id, "order_id": "2", "amount": "-1"}
        refund["customer_id"] = "cust_3"
        await self.shop.publish(refund, topic=ORDER_REFUNDED, headers=headers)
        fulfillment = {"store_id": self.shop.store_id, "order_id": "", "customer_id": "cust_3"}
        fulfillment["fulfilled_at"] = "2026-03-12T12:00:00Z"
        await self.shop.publish(fulfillment, topic=ORDER_FULFILLED, headers=headers)

        async def listed(count: int) -> Any:
            page = await self.shop.call("GET", "loyalty/dead-letters")
            assert page.json["total"] == count, page.json
            return page.json["data"]

        for letter in await eventually(lambda: listed(3)):
            path = f"loyalty/dead-letters/{letter['id']}"
            assert (await self.shop.call("DELETE", path)).status == 204
        await eventually(lambda: listed(0))

    async def dashboard(self) -> None:
        """Sign in: the dashboard asks the API about the key."""
        url = f"{self.shop.stack.gateway}/dashboard/sign-in"
        form = {"api_key": self.shop.key, "next": "/dashboard"}
        same_origin = {"Sec-Fetch-Site": "same-origin"}
        async with self.session.post(
            url, data=form, headers=same_origin, allow_redirects=False
        ) as response:
            assert response.status == 303, await response.text()

    async def _send(self, kind: str, data: dict[str, Any]) -> None:
        event = {"specversion": "1.0", "id": secrets.token_hex(8), "source": "/shops/test"}
        body = json.dumps({**event, "type": kind, "data": data}).encode()
        headers = {"Content-Type": "application/cloudevents+json"}
        response = await self.shop.call("POST", "events", body, headers=headers)
        assert response.status == 202, response.raw

    async def _call(self, method: str, path: str, body: object) -> Any:
        response = await self.shop.call(method, path, body)
        assert response.status < 300, response.raw
        return response.json


def _new_trace() -> tuple[str, list[tuple[str, bytes]]]:
    """The id of a new trace, and the headers of a record of it."""
    trace = secrets.token_hex(16)
    return trace, [("traceparent", _header(trace).encode())]


def _header(trace: str) -> str:
    return f"00-{trace}-{secrets.token_hex(8)}-01"
