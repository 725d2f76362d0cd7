"""Processes of every service behind one or two gateways, and shops that use them under load."""

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg

from libs.contracts.operations import OWNERS
from libs.testing.eventually import eventually
from tests.chaos.alone import Process, end, start
from tests.support import ROOT, Stack
from tools.stack.config import WITH_DATABASE, free_ports

# Load enough to meet every moment of a stop, and not so much that nothing else can start.
_PAUSE_SECONDS = 0.2
# The limit on a key's requests is not what is tried here.
UNLIMITED = {"WHALE_RATE_LIMIT_PER_SECOND": "1000000", "WHALE_RATE_LIMIT_BURST": "1000000"}


class Fleet:
    """Processes of each service, of those in `both` two each; `root` is the code that they run."""

    def __init__(self, stack: Stack, both: Collection[str], root: Path) -> None:
        self._stack = stack
        self._root = root
        places = [(name, n) for name in WITH_DATABASE for n in range(1 + (name in both))]
        drawn = free_ports(len(places), apart_from=stack.settings.ports)
        self.ports = dict(zip(places, drawn, strict=True))
        self.gateways = self._urls("gateway")
        self._settings: dict[str, Any] = UNLIMITED | {
            f"WHALE_{name.upper()}_URL": ",".join(self._urls(name)) for name in OWNERS
        }
        self.processes: dict[tuple[str, int], Process] = {}

    def _urls(self, name: str) -> list[str]:
        return [f"http://127.0.0.1:{port}" for (of, _), port in self.ports.items() if of == name]

    async def launch(self, name: str, number: int = 0, *, root: Path | None = None) -> float:
        """Start a process; returns after how many seconds it responded."""
        port = self.ports[name, number]
        started = time.monotonic()
        self.processes[name, number] = await start(
            self._stack,
            name,
            root=root or self._root,
            **self._settings,
            WHALE_HTTP_PORT=str(port),
        )
        url = f"http://127.0.0.1:{port}/health/ready"

        async def ready() -> None:
            async with aiohttp.ClientSession() as session, session.get(url) as response:
                assert response.status == 200, f"{name}: {await response.text()}"

        await eventually(ready, within_seconds=180, every=0.1)
        return time.monotonic() - started

    async def end(self) -> None:
        await asyncio.gather(*(end(process) for process in self.processes.values()))

    async def stop(self, name: str, number: int = 0) -> float:
        """Have a process stop in its own order; returns after how many seconds it had ended."""
        started = time.monotonic()
        self.processes[name, number].terminate()
        await self.processes[name, number].wait()
        return time.monotonic() - started


@asynccontextmanager
async def running(
    stack: Stack, *, both: Collection[str] = (), root: Path = ROOT
) -> AsyncIterator[Fleet]:
    """The gateway and its services, of those in `both` two processes each."""
    fleet = Fleet(stack, both, root)
    async with AsyncExitStack() as cleanup:
        cleanup.push_async_callback(fleet.end)
        async with asyncio.TaskGroup() as starting:
            for place in fleet.ports:
                starting.create_task(fleet.launch(*place))
        yield fleet


class Caller:
    """A shop under load: repeats what was refused once, after the time it was given. It connects to
    one of the gateways after the other, and to another one if a gateway accepts no connection. The
    list of the gateways may change meanwhile."""

    def __init__(
        self, gateways: Sequence[str], session: aiohttp.ClientSession, key: str, name: str
    ) -> None:
        self.customer = f"cust_{name}"
        self.earned = 0
        self.seen: Counter[str] = Counter()
        # The longest time until a request, with its retry, had its response.
        self.longest_seconds = 0.0
        self._gateways = gateways
        self._turns = itertools.count()
        self._session = session
        self._key = key
        self._numbers = itertools.count()

    async def work(self, until: asyncio.Event) -> None:
        """Use every service until `until` is set."""
        while not until.is_set():
            await self.use_every_service()
            await asyncio.sleep(_PAUSE_SECONDS)

    async def use_every_service(self) -> None:
        """Send one request of each kind."""
        await self.earn()
        await self.call("GET", f"loyalty/customers/{self.customer}")
        await self.call("POST", "loyalty/redeem", {**self._who, "reward_id": "rwd_1"})
        await self.call("GET", "loyalty/rewards")
        await self.call("GET", "loyalty/anomalies")
        # Without a key: what did not provably fail to arrive is not repeated for the caller.
        body = {**self._who, "points": 1, "reason": "no key"}
        await self.call("POST", "loyalty/earn", body, keyed=False)

    async def earn(self) -> Any:
        """Award ten points; returns the transaction."""
        body = {**self._who, "points": 10, "reason": "keyed"}
        transaction = await self.call("POST", "loyalty/earn", body)
        self.earned += 10
        return transaction

    @property
    def _who(self) -> dict[str, object]:
        return {"customer_id": self.customer}

    async def call(self, method: str, path: str, body: Any = None, *, keyed: bool = True) -> Any:
        """Send a request, with one retry if it gets 503; returns the body of the response."""
        key = f"{self.customer}-{next(self._numbers)}" if keyed else None
        started = time.monotonic()
        status, headers, content = await self.send(method, path, body, key)
        if status == 503:
            self.seen["retried"] += 1
            await asyncio.sleep(float(headers["Retry-After"]))
            status, headers, content = await self.send(method, path, body, key)
        assert status in {200, 201}, (method, path, status, content)
        self.seen["done"] += 1
        self.longest_seconds = max(self.longest_seconds, time.monotonic() - started)
        return content

    async def send(
        self, method: str, path: str, body: Any, key: str | None
    ) -> tuple[int, Any, Any]:
        """Send a request once; returns status, headers and body."""
        headers = {"Authorization": f"Bearer {self._key}"}
        if key is not None:
            headers["Idempotency-Key"] = key
        attempts = len(self._gateways)
        for attempt in range(attempts):
            gateway = self._gateways[next(self._turns) % len(self._gateways)]
            url = f"{gateway}/v1/stores/me/{path}"
            try:
                async with self._session.request(
                    method, url, json=body, headers=headers
                ) as response:
                    content = await response.json(content_type=None)
                    return response.status, response.headers, content
            except aiohttp.ClientConnectorError:
                self.seen["other gateway"] += 1
                if attempt == attempts - 1:
                    raise
        raise AssertionError


async def give_reward(gateway: str, session: aiohttp.ClientSession, key: str) -> None:
    """Create the reward that the callers redeem."""
    body = {"id": "rwd_1", "name": "Sticker", "points_cost": 1, "type": "perk"}
    headers = {"Authorization": f"Bearer {key}"}
    url = f"{gateway}/v1/stores/me/loyalty/rewards"
    async with session.post(url, json=body, headers=headers) as response:
        assert response.status == 201, await response.read()


async def earned_with_keys(stack: Stack, store_id: str) -> dict[str, int]:
    """The points that each customer of the store was awarded with an idempotency key."""
    connection = await asyncpg.connect(stack.database("earning"))
    try:
        rows = await connection.fetch(
            """SELECT a.customer_id, sum(e.points)::bigint AS points
               FROM entries e JOIN accounts a ON a.id = e.account_id
               WHERE e.store_id = $1 AND e.reason = 'keyed' GROUP BY 1""",
            store_id,
        )
    finally:
        await connection.close()
    return {row["customer_id"]: row["points"] for row in rows}


def total(callers: Collection[Caller]) -> Counter[str]:
    """What all callers have seen."""
    return sum((one.seen for one in callers), Counter())
