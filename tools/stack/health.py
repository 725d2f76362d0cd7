"""Health checks of the stack's parts, each by its own state at the time of the call."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, Self

import aiohttp
import msgspec
from aiokafka.admin import AIOKafkaAdminClient
from msgspec import Struct

from libs.contracts.topics import CONSUMED, TOPICS
from libs.messaging.security import client_options
from tools.stack import postgres, redis
from tools.stack.services import Addresses

SERVERS: Final = ("postgres", "redis", "kafka")

# Longer than the timeout of a service's own readiness checks.
RESPONSE_SECONDS: Final = 5.0

_ALL_TOPICS: Final = frozenset(
    {topic.name for topic in TOPICS} | {topic.dead_letters for topic in CONSUMED}
)


class Health(Struct, frozen=True):
    """`reason` is why a part is not ready, None where it is; `responds` is whether it responded."""

    reason: str | None = None
    responds: bool = True


READY: Final = Health()


class Probe:
    """Checks the stack's parts. An async context manager; its methods do not raise."""

    def __init__(self, addresses: Addresses, internal_token: str) -> None:
        self.addresses = addresses
        self._headers = {"Authorization": f"Bearer {internal_token}"}
        self._session: aiohttp.ClientSession | None = None
        self._admin: AIOKafkaAdminClient | None = None
        self._kafka_lock = asyncio.Lock()
        self._servers: dict[str, Callable[[], Awaitable[bool]]] = {
            "postgres": lambda: postgres.is_available(addresses.postgres_admin),
            "redis": lambda: redis.is_available(addresses.redis),
            "kafka": self._kafka_responds,
        }

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            headers=self._headers, timeout=aiohttp.ClientTimeout(RESPONSE_SECONDS)
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()
        await self._close_kafka()

    async def health(self, name: str) -> Health:
        """The present health of the server or service `name`."""
        check = self._check_server if name in self._servers else self._check_service
        try:
            async with asyncio.timeout(RESPONSE_SECONDS):
                return await check(name)
        except TimeoutError:
            return Health(f"no response within {RESPONSE_SECONDS:.0f} s", responds=False)
        except Exception as error:  # noqa: BLE001  any error is the reason why this part is not ready
            return Health(f"no response: {type(error).__name__}", responds=False)

    async def missing_topics(self) -> set[str]:
        """The topics that the broker lacks; none where it does not respond."""
        try:
            async with asyncio.timeout(RESPONSE_SECONDS):
                return set(_ALL_TOPICS - await self._list_topics())
        except Exception:  # noqa: BLE001  `health` reports that it does not respond
            return set()

    async def _check_server(self, name: str) -> Health:
        return READY if await self._servers[name]() else Health("no response", responds=False)

    async def _check_service(self, name: str) -> Health:
        assert self._session is not None
        url = f"{self.addresses.urls[name]}/health/ready"
        try:
            async with self._session.get(url) as response:
                if response.status == 200:
                    return READY
                return Health(_reasons(response.status, await response.read()))
        except aiohttp.ClientConnectorError:
            return Health("refuses connections", responds=False)

    async def _kafka_responds(self) -> bool:
        await self._list_topics()
        return True

    async def _list_topics(self) -> frozenset[str]:
        """The topics of the broker. The connection is reused, since opening it costs the broker far
        more than the request; the first failure closes it."""
        async with self._kafka_lock:
            try:
                if self._admin is None:
                    self._admin = AIOKafkaAdminClient(
                        bootstrap_servers=self.addresses.kafka,
                        request_timeout_ms=3_000,
                        **client_options(self.addresses.kafka_security),
                    )
                    await self._admin.start()
                return frozenset(await self._admin.list_topics())
            except BaseException:
                await self._close_kafka()
                raise

    async def _close_kafka(self) -> None:
        admin, self._admin = self._admin, None
        if admin is not None:
            await admin.close()


class _Readiness(Struct):
    """A service's readiness; `failing` is sent only to callers with the internal token."""

    failing: dict[str, str] = {}


def _reasons(status: int, body: bytes) -> str:
    """Why a service is not ready, as it reports."""
    try:
        failing = msgspec.json.decode(body, type=_Readiness).failing
    except msgspec.MsgspecError:
        failing = {}
    if not failing:
        return f"/health/ready responds with status {status}"
    return "; ".join(f"{check}: {reason}" for check, reason in failing.items())
