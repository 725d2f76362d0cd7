"""A store under every kind of load, and whether the services agree on it."""

import asyncio
import itertools
import json
import secrets
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Final

import aiohttp
import asyncpg
from aiokafka import AIOKafkaProducer
from msgspec import Struct

from libs.contracts.topics import ORDER_COMPLETED, record_key
from tests.chaos.fleet import Caller, Fleet
from tests.redeeming import books_are_exact
from tests.support import Stack
from tools.stack import lag

_ORDERS_PER_BURST: Final = 10
_PAUSE_SECONDS: Final = 0.3


class BusyStore(Struct):
    """A store under load, and what it was promised."""

    stack: Stack
    store_id: str
    key: str
    # The transactions that were acknowledged, in order.
    acknowledged: list[str] = []
    # The orders that Kafka has acknowledged.
    orders: int = 0
    callers: list[Caller] = []

    def new_caller(self, fleet: Fleet, session: aiohttp.ClientSession) -> Caller:
        """A caller with a customer of its own."""
        caller = Caller(fleet.gateways, session, self.key, secrets.token_hex(4))
        self.callers.append(caller)
        return caller

    @asynccontextmanager
    async def load(self, fleet: Fleet, session: aiohttp.ClientSession) -> AsyncIterator[None]:
        """Everything that changes a database, at the same time, until the context ends."""
        done = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            for _ in range(3):
                group.create_task(self.new_caller(fleet, session).work(done))
            group.create_task(self._award(self.new_caller(fleet, session), done))
            group.create_task(self._publish_orders(done))
            group.create_task(self._review(self.new_caller(fleet, session), done))
            group.create_task(self._change_reward(self.new_caller(fleet, session), done))
            try:
                yield
            finally:
                done.set()

    async def _award(self, caller: Caller, done: asyncio.Event) -> None:
        while not done.is_set():
            transaction = await caller.earn()
            self.acknowledged.append(transaction["id"])

    async def _publish_orders(self, done: asyncio.Event) -> None:
        """Bursts, which the detectors flag."""
        async with AIOKafkaProducer(bootstrap_servers=self.stack.kafka) as producer:
            while not done.is_set():
                customer = f"burst_{secrets.token_hex(4)}"
                for number in range(_ORDERS_PER_BURST):
                    order = {
                        "store_id": self.store_id,
                        "order_id": f"{customer}-{number}",
                        "customer_id": customer,
                        "total": "1.00",
                        "currency": "USD",
                        "completed_at": f"2026-03-10T12:00:{number:02}Z",
                    }
                    key = record_key(self.store_id, customer)
                    value = json.dumps(order).encode()
                    await producer.send_and_wait(ORDER_COMPLETED, value, key=key)
                    self.orders += 1
                await asyncio.sleep(_PAUSE_SECONDS)

    async def _review(self, caller: Caller, done: asyncio.Event) -> None:
        """Void what is flagged of the bursts."""
        while not done.is_set():
            path = "loyalty/anomalies?status=pending_review&limit=100"
            for anomaly in (await caller.call("GET", path))["data"]:
                if anomaly["customer_id"].startswith("burst_"):
                    body = {"status": "resolved", "resolution": "voided"}
                    path = f"loyalty/anomalies/{anomaly['id']}"
                    status, _, content = await caller.send("PATCH", path, body, None)
                    # It may have been merged into another one since.
                    assert status in {200, 409}, content
            await asyncio.sleep(_PAUSE_SECONDS)

    async def _change_reward(self, caller: Caller, done: asyncio.Event) -> None:
        for number in itertools.count():
            if done.is_set():
                return
            body = {"description": f"number {number}"}
            await caller.call("PATCH", "loyalty/rewards/rwd_1", body)
            await asyncio.sleep(_PAUSE_SECONDS)


class Databases:
    """What the databases of a stack contain of one store."""

    def __init__(self, stack: Stack, store_id: str) -> None:
        self._stack = stack
        self._store_id = store_id

    async def read(self, service: str, query: str, *, of_store: bool = True) -> list[Any]:
        connection = await asyncpg.connect(self._stack.database(service, owner=True))
        try:
            return list(await connection.fetch(query, *([self._store_id] * of_store)))
        finally:
            await connection.close()

    async def now(self) -> datetime:
        """The server's time."""
        (row,) = await self.read("earning", "SELECT clock_timestamp() AS at", of_store=False)
        at: datetime = row["at"]
        return at

    async def entries(self) -> dict[str, str]:
        """The type of each transaction, by its id."""
        query = "SELECT 'txn_' || id AS id, type FROM entries WHERE store_id = $1"
        return {row["id"]: row["type"] for row in await self.read("earning", query)}

    async def are_settled(self) -> None:
        """Raise unless every record is consumed, every event published, every redemption settled."""
        progress = await lag.read_progress(self._stack.kafka)
        assert {one.lag for one in progress} == {0}, progress
        for service in ("earning", "catalog", "anomaly"):
            rows = await self.read(service, "SELECT FROM outbox LIMIT 1", of_store=False)
            assert not rows, service
        unsettled = """SELECT FROM redemptions
                       WHERE store_id = $1 AND status IN ('reserved', 'cancelling')"""
        assert not await self.read("redemption", unsettled)

    async def have_resolutions(self) -> bool:
        """Whether the ledger has voided what a review found."""
        query = "SELECT FROM resolutions WHERE store_id = $1"
        return bool(await self.read("earning", query))

    async def order_states(self) -> Counter[str]:
        rows = await self.read("earning", "SELECT state FROM orders WHERE store_id = $1")
        return Counter(row["state"] for row in rows)

    async def agree(self) -> None:
        """What each service has received is what the ledger, or the catalog, contains."""
        entries = await self.entries()
        earned = {id_ for id_, type_ in entries.items() if type_ == "earn"}
        judged = "SELECT 'txn_' || id AS id FROM earnings WHERE store_id = $1"
        assert {row["id"] for row in await self.read("anomaly", judged)} == earned
        counted = "SELECT transaction_id AS id FROM counted_transactions WHERE store_id = $1"
        spent = {id_ for id_, type_ in entries.items() if type_ in {"redeem", "cancel"}}
        assert {row["id"] for row in await self.read("catalog", counted)} == spent
        resolved = """SELECT 'anom_' || id AS id FROM anomalies
                      WHERE store_id = $1 AND resolution = 'voided'"""
        applied = "SELECT anomaly_id AS id FROM resolutions WHERE store_id = $1"
        assert {row["id"] for row in await self.read("earning", applied)} == {
            row["id"] for row in await self.read("anomaly", resolved)
        }
        (own,) = await self.read("catalog", "SELECT version FROM rewards WHERE store_id = $1")
        (copy,) = await self.read("redemption", "SELECT version FROM rewards WHERE store_id = $1")
        assert own == copy
        await books_are_exact(self._stack, self._store_id)
