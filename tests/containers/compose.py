"""The containers of docker-compose.yml as tests drive them, and a shop that uses them."""

import asyncio
import contextlib
import json
import os
import secrets
import signal
import subprocess
from pathlib import Path
from typing import Any, Final

import aiohttp
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from msgspec import Struct

from libs.contracts.topics import ORDER_COMPLETED, record_key
from tools.stack import config
from tools.stack.config import SERVICES

ROOT: Final = Path(__file__).parents[2]
SERVERS: Final = ("postgres", "redis", "kafka")
# Of an order of $50.00.
POINTS: Final = 500


class Compose:
    """A project of its own, on free ports, with images built from this working copy."""

    def __init__(self) -> None:
        self.gateway_port, self.kafka_port = config.free_ports(2)
        self._command = ["docker", "compose", "--project-name", f"whale-{secrets.token_hex(4)}"]
        self._command += ["--profile", "demo", "--profile", "tools"]
        self._environment = os.environ | {
            "WHALE_GATEWAY_PORT": str(self.gateway_port),
            "WHALE_KAFKA_PORT": str(self.kafka_port),
            "WHALE_VERSION": "test",
        }

    def run(self, *words: str, **environment: str) -> str:
        """The output of a command, which must succeed; `environment` replaces variables of the project's."""
        outcome = subprocess.run(
            [*self._command, *words],
            cwd=ROOT,
            env=self._environment | environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert outcome.returncode == 0, f"{words}: {outcome.stdout[-2000:]}{outcome.stderr[-3000:]}"
        return outcome.stdout

    def up(self) -> None:
        """Start everything but the command line."""
        self.run("up", "--detach", "--wait", *SERVERS, *SERVICES)
        self.run("run", "--rm", "--no-deps", "--no-TTY", "demo-store")

    def down(self) -> None:
        """Remove the containers. The data stays, in the volumes that have a name; the others, which `down`
        would leave behind, are deleted."""
        self.run("rm", "--stop", "--force", "--volumes")
        self.run("down")

    def tools(self, *words: str) -> str:
        return self.run("run", "--rm", "--no-deps", "--no-TTY", "tools", *words)

    def new_key(self, store_id: str) -> str:
        """A key of a store, as `make key` prints it, with all scopes that a shop may have."""
        scopes = "read,earn,redeem,manage"
        return self.tools("key", "--store", store_id, "--scopes", scopes).split()[-1]

    def containers(self, name: str) -> list[str]:
        """The ids of a service's containers, running or not."""
        return self.run("ps", "--all", "--quiet", name).split()

    def inspect(self, name: str) -> Any:
        """The state of a service's only container, running or not."""
        (container,) = self.containers(name)
        return inspect(container)

    def query(self, database: str, query: str) -> str:
        """The value of a query, or the values, one per line."""
        program = ("psql", "--username=postgres", "--no-align", "--tuples-only", "--command", query)
        return self.run("exec", "--no-TTY", "postgres", *program, database).strip()

    def kill(self, name: str) -> None:
        """End a container's process as a crash would. A kill by the engine, which is what an ordinary
        user can do, would not be followed by a restart."""
        if os.geteuid() == 0:
            os.kill(self.inspect(name)["State"]["Pid"], signal.SIGKILL)
        else:
            self.run("kill", name)
            self.run("start", name)


def docker(*words: str) -> str:
    """The output of a command of the engine, which must succeed."""
    return subprocess.run(["docker", *words], capture_output=True, text=True, check=True).stdout


def inspect(container: str) -> Any:
    """The state of a container, running or not."""
    return json.loads(docker("inspect", container))[0]


class Store(Struct, frozen=True):
    """A store of the tests' own, and its key."""

    id: str
    key: str

    def session(self, compose: Compose) -> aiohttp.ClientSession:
        """A session of its backend. A response that reports an error raises."""
        return aiohttp.ClientSession(
            f"http://127.0.0.1:{compose.gateway_port}/v1/stores/me/",
            headers={"Authorization": f"Bearer {self.key}"},
            raise_for_status=True,
        )


class Load:
    """A shop that publishes orders until it is stopped, each until Kafka has acknowledged it; `first`
    is the number of the first order."""

    def __init__(self, compose: Compose, store: Store, *, first: int = 0) -> None:
        self._bootstrap = f"127.0.0.1:{compose.kafka_port}"
        self._store_id = store.id
        self._first = first
        self.orders = 0

    async def publish(self, stop: asyncio.Event) -> None:
        async with self._producer() as producer:
            while not stop.is_set():
                await self._publish_next(producer)
                await asyncio.sleep(0.05)

    async def publish_one(self) -> None:
        """Publish the next order."""
        async with self._producer() as producer:
            await self._publish_next(producer)

    def _producer(self) -> AIOKafkaProducer:
        return AIOKafkaProducer(bootstrap_servers=self._bootstrap, request_timeout_ms=5_000)

    async def _publish_next(self, producer: AIOKafkaProducer) -> None:
        number = self._first + self.orders
        customer = f"cust_{number % 7}"
        order = {
            "store_id": self._store_id,
            "order_id": f"order-{number}",
            "customer_id": customer,
            "total": "50.00",
            "currency": "USD",
            "completed_at": "2026-03-10T12:00:00Z",
        }
        value = json.dumps(order).encode()
        while True:
            with contextlib.suppress(KafkaError):
                await producer.send_and_wait(
                    ORDER_COMPLETED, value, key=record_key(self._store_id, customer)
                )
                self.orders += 1
                return
            await asyncio.sleep(0.2)


async def points_outstanding(api: aiohttp.ClientSession) -> int:
    """The points that the store's customers have."""
    async with api.get("loyalty/summary?from=2026-03-10&to=2026-03-11") as response:
        return int((await response.json())["points_outstanding"])
