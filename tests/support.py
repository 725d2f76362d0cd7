"""The stack as tests drive it, and a shop as it uses the API and Kafka."""

import argparse
import asyncio
import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from libs.contracts.topics import ORDER_COMPLETED, dead_letter_topic, record_key
from libs.messaging import fetching
from libs.persistence.engine import create_engine
from libs.testing.eventually import PATIENCE_SECONDS, eventually
from services.earning.store import books_check
from services.gateway import keys
from services.gateway.settings import KeySettings
from tests import secrecy
from tests.late_producer import LateProducer
from tools.demo.publish import wait_until_consumed
from tools.stack import config, services, state
from tools.stack.health import SERVERS
from tools.stack.services import Addresses

if TYPE_CHECKING:
    from tests.servers.containers import ServerContainers

ROOT = Path(__file__).parents[1]
SCOPES = "read,earn,redeem,manage,admin"

PROGRAM = {
    "name": "VIP Rewards",
    "points_per_dollar": 10,
    "tiers": [
        {"name": "Bronze", "min_points": 0, "multiplier": 1.0},
        {"name": "Silver", "min_points": 5000, "multiplier": 1.5},
        {"name": "Gold", "min_points": 15000, "multiplier": 2.0},
        {"name": "Platinum", "min_points": 50000, "multiplier": 3.0},
    ],
}


def free_ports() -> dict[str, str]:
    """Settings that put a stack on ports nobody uses."""
    names = ("GATEWAY", "KAFKA", "POSTGRES", "REDIS")
    ports = config.free_ports(len(names))
    named = {f"WHALE_{name}_PORT": str(port) for name, port in zip(names, ports, strict=True)}
    return named | {"WHALE_METRICS_PORT": "0"}


class Stack:
    """A stack in a folder of its own, driven by the same commands that users have.

    Its servers are its own, under its supervisor, or those in `containers`.
    """

    def __init__(
        self, home: Path, *, containers: "ServerContainers | None" = None, **settings: str
    ) -> None:
        self.home = home
        self._containers = containers
        self.environment = {
            name: value for name, value in os.environ.items() if not name.startswith("WHALE_")
        }
        if containers is not None:
            settings |= containers.settings
        self._settings = settings | {"WHALE_HOME": str(home)}
        self.environment |= free_ports() | self._settings

    def run(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run one of the command line's commands."""
        return subprocess.run(
            [sys.executable, "-m", "tools", *words],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            check=check,
        )

    def up(self) -> None:
        outcome = self.run("up", check=False)
        if "These ports are in use" in outcome.stderr:
            # They were free when they were chosen.
            self.environment |= free_ports() | self._settings
            outcome = self.run("up", check=False)
        assert outcome.returncode == 0, outcome.stderr + self.run("logs", check=False).stdout
        secrecy.keep_stack_secrets(self.home)

    def down(self) -> None:
        """Stop the stack, if it runs."""
        if state.is_running(self.home):
            self.run("down", check=False)

    @property
    def settings(self) -> config.Settings:
        return config.settings(self.environment)

    @property
    def addresses(self) -> Addresses:
        return services.addresses(self.settings, config.stack_secrets(self.home))

    @property
    def kafka(self) -> str:
        return self.addresses.kafka

    @property
    def gateway(self) -> str:
        return f"http://127.0.0.1:{self.settings.gateway_port}"

    def database(self, service: str, *, owner: bool = False) -> str:
        secrets = config.stack_secrets(self.home)
        return services.database_url(self.addresses, secrets, service, owner=owner)

    async def key(self, store_id: str, scopes: str = SCOPES, name: str = "test") -> str:
        """A new key, made the way the command line makes it."""
        arguments = argparse.Namespace(store=store_id, scopes=scopes, name=name, key=None)
        secret = config.stack_secrets(self.home).key_secret
        url = self.database("gateway")
        settings = KeySettings(database_url=url, key_secret=secret, mode="local")
        engine = create_engine(url, name="test", connections=1)
        try:
            return secrecy.keep_key(await keys.create(engine, settings, arguments))
        finally:
            await engine.dispose()

    def process(self, name: str) -> state.ProcessState:
        """What the supervisor says of one process."""
        stack_state = state.read(self.home)
        assert stack_state is not None
        return next(one for one in stack_state.processes if one.name == name)

    async def drained(self) -> None:
        """Wait until earning has committed everything on the orders' topic."""
        async with asyncio.timeout(120):
            await wait_until_consumed(self.kafka, lambda _remaining: None)

    def kill(self, name: str) -> None:
        """End a server or a service as a crash would. It is started again immediately."""
        self._runner_of(name).kill(name)

    def freeze(self, name: str) -> None:
        """Stop a server or a service from running; its connections stay open."""
        self._runner_of(name).freeze(name)

    def resume(self, name: str) -> None:
        """Let a frozen server or service run again."""
        self._runner_of(name).resume(name)

    def _runner_of(self, name: str) -> "ServerContainers | Processes":
        """What runs this server or service."""
        if self._containers is not None and name in SERVERS:
            return self._containers
        return Processes(self)


@asynccontextmanager
async def open_shop(stack: Stack) -> "AsyncIterator[Shop]":
    """A new store with a key that may do everything."""
    store_id = f"store_{secrets.token_hex(5)}"
    key = await stack.key(store_id)
    async with aiohttp.ClientSession() as session, LateProducer(stack.kafka) as producer:
        yield Shop(stack, session, producer, store_id=store_id, key=key)


class Processes:
    """The processes under the supervisor of a stack, which starts a killed one again."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack

    def kill(self, name: str) -> None:
        self._send(name, signal.SIGKILL)

    def freeze(self, name: str) -> None:
        self._send(name, signal.SIGSTOP)

    def resume(self, name: str) -> None:
        self._send(name, signal.SIGCONT)

    def _send(self, name: str, number: int) -> None:
        pid = self._stack.process(name).pid
        assert pid is not None
        os.kill(pid, number)


class DeadLetter(msgspec.Struct, frozen=True):
    """A record of a dead-letter topic."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: dict[str, bytes]


async def follow(bootstrap: str, topic: str) -> AsyncGenerator[Any, None]:
    """Every record of a topic from its beginning, and those that arrive within a minute. A caller
    that may stop before the end closes it. Other tests' hostile records are among them."""
    fetching.install()
    async with AIOKafkaConsumer(
        topic, bootstrap_servers=bootstrap, auto_offset_reset="earliest", enable_auto_commit=False
    ) as consumer:
        until = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < until:
            for records in (await consumer.getmany(timeout_ms=200)).values():
                for record in records:
                    yield record


def _event_in(record: Any) -> dict[str, Any]:
    """The event in a record; what other tests broke is none."""
    try:
        event = json.loads(record.value or b"")
    except (ValueError, RecursionError):
        return {}
    return event if isinstance(event, dict) else {}


class ApiResponse(msgspec.Struct, frozen=True):
    """What came back: status, headers, and the body as it was and as JSON."""

    status: int
    headers: Mapping[str, str]
    raw: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.raw)


class Shop:
    """A store's backend: calls the API with its key, publishes orders to Kafka."""

    def __init__(
        self,
        stack: Stack,
        session: aiohttp.ClientSession,
        producer: AIOKafkaProducer | LateProducer,
        *,
        store_id: str,
        key: str,
    ) -> None:
        self.stack = stack
        self.store_id = store_id
        self.key = key
        self._session = session
        self._producer = producer

    async def call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        headers: dict[str, str] | None = None,
        store: str = "me",
        key: str | None = None,
    ) -> ApiResponse:
        """Send a request to /v1/stores/{store}/{path}; a body that is bytes goes as it is."""
        sent = {"Authorization": f"Bearer {key or self.key}", **(headers or {})}
        data: bytes | None = None
        if body is not None:
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            sent.setdefault("Content-Type", "application/json")
        url = f"{self.stack.gateway}/v1/stores/{store}/{path}"
        async with self._session.request(method, url, data=data, headers=sent) as response:
            return ApiResponse(response.status, response.headers, await response.read())

    async def page(self, path: str) -> ApiResponse:
        """Open a page outside /v1, as a browser would."""
        async with self._session.get(self.stack.gateway + path) as response:
            return ApiResponse(response.status, response.headers, await response.read())

    async def program(self, **changes: object) -> Any:
        """Create a program: the documentation's, with `changes`."""
        response = await self.call("POST", "loyalty-programs", {**PROGRAM, **changes})
        assert response.status == 201, response.raw
        return response.json

    async def earn(self, customer_id: str, points: int, **headers: str) -> ApiResponse:
        body = {"customer_id": customer_id, "points": points, "reason": "Birthday bonus"}
        return await self.call("POST", "loyalty/earn", body, headers=headers)

    def order(self, order: str, **changes: object) -> dict[str, object]:
        """An order.completed event of $50.00."""
        return {
            "store_id": self.store_id,
            "order_id": order,
            "customer_id": "cust_1",
            "total": "50.00",
            "currency": "USD",
            "completed_at": "2026-03-10T12:00:00Z",
            **changes,
        }

    async def publish(
        self,
        value: object,
        *,
        topic: str = ORDER_COMPLETED,
        headers: list[tuple[str, bytes]] | None = None,
        key: bytes | None = None,
    ) -> Any:
        """Put a record on a topic as it is, or an event as JSON; returns its position."""
        data = value if isinstance(value, bytes) else json.dumps(value).encode()
        if key is None and isinstance(value, dict):
            key = record_key(self.store_id, str(value.get("customer_id")))
        return await self._producer.send_and_wait(topic, data, key=key, headers=headers)

    async def publish_all(self, values: list[dict[str, object]]) -> None:
        """Put many orders on the topic."""
        sent = [
            await self._producer.send(
                ORDER_COMPLETED,
                json.dumps(value).encode(),
                key=record_key(self.store_id, str(value["customer_id"])),
            )
            for value in values
        ]
        await asyncio.gather(*sent)

    async def publish_raw(self, value: bytes | None, *, key: bytes) -> Any:
        """Put a record on the orders' topic, even one without a value."""
        return await self._producer.send_and_wait(ORDER_COMPLETED, value, key=key)

    async def dead_letter(self, place: Any, *, service: str | None = None) -> "DeadLetter":
        """Wait for the dead letter of the record that lies at `place`, from any of its consumers or
        from that of one `service`."""
        topic = dead_letter_topic(place.topic)
        async with aclosing(follow(self.stack.kafka, topic)) as records:
            async for record in records:
                headers = dict(record.headers)
                origin = (int(headers["dlq-partition"]), int(headers["dlq-offset"]))
                sender = headers["dlq-service"].decode()
                if origin == (place.partition, place.offset) and service in {None, sender}:
                    return DeadLetter(
                        record.topic,
                        record.partition,
                        record.offset,
                        record.key,
                        record.value,
                        headers,
                    )
        raise AssertionError(f"no dead letter came for {place}")

    async def read_events(self, topic: str, *, count: int) -> list[tuple[Any, dict[str, str]]]:
        """The first `count` events of this store on a topic, with their headers."""
        events: list[tuple[Any, dict[str, str]]] = []
        async with aclosing(follow(self.stack.kafka, topic)) as records:
            async for record in records:
                event = _event_in(record)
                if event.get("store_id") == self.store_id:
                    headers = {name: value.decode() for name, value in record.headers}
                    events.append((event, headers))
                if len(events) == count:
                    return events
        raise AssertionError(f"{len(events)} of {count} events came on {topic}: {events}")

    async def status(self, customer_id: str = "cust_1") -> Any:
        """The customer's status, or None while there is no such customer."""
        response = await self.call("GET", f"loyalty/customers/{customer_id}")
        return response.json if response.status == 200 else None

    async def balance_becomes(self, points: int, customer_id: str = "cust_1") -> Any:
        """Wait until the customer's balance is `points`; returns the status."""

        async def look() -> Any:
            status = await self.status(customer_id)
            assert status is not None, f"{customer_id} is not there"
            assert status["points_balance"] == points, status["points_balance"]
            return status

        return await eventually(look)


async def ledger_faults(connection: Any) -> list[str]:
    """What `verify` reports about the ledger, in the database of `connection`."""
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        return [
            fault async for slice_ in books_check.check_all(connection) for fault in slice_.faults
        ]
