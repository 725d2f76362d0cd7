"""How the parts of the stack are, asked of each part itself at the moment it matters."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, Self

import aiohttp
import msgspec
from aiokafka.admin import AIOKafkaAdminClient
from msgspec import Struct

from libs.contracts.topics import CONSUMED, TOPICS
from libs.kernel.kafka import KafkaSecurity
from libs.messaging.security import client_options
from tools.stack import postgres, redis
from tools.stack.config import LOOPBACK
from tools.stack.services import Addresses

SERVERS: Final = ("postgres", "redis", "kafka")

# Longer than a service takes to find out that its own checks hang.
RESPONSE_SECONDS: Final = 5.0

_ALL_TOPICS: Final = frozenset(
    {topic.name for topic in TOPICS} | {topic.dead_letters for topic in CONSUMED}
)


class Health(Struct, frozen=True):
    """`trouble` is why it is not ready, None where it is; `responds` is whether it said so itself."""

    trouble: str | None = None
    responds: bool = True


READY: Final = Health()


class Probe:
    """Asks the stack's parts how they are. Used as a context; none of its questions raises."""

    def __init__(self, where: Addresses, internal_token: str) -> None:
        self._where = where
        self._headers = {"Authorization": f"Bearer {internal_token}"}
        self._session: aiohttp.ClientSession | None = None
        self._admin: AIOKafkaAdminClient | None = None
        self._asking_kafka = asyncio.Lock()
        self._servers: dict[str, Callable[[], Awaitable[bool]]] = {
            "postgres": lambda: postgres.answers(where.postgres_admin),
            "redis": lambda: redis.answers(where.redis),
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
        await self._forget_kafka()

    @property
    def kafka(self) -> str:
        """The broker to begin with, `host:port`."""
        return self._where.kafka

    @property
    def kafka_security(self) -> KafkaSecurity:
        return self._where.kafka_security

    async def health(self, name: str) -> Health:
        """How the server or service of this name is now."""
        ask = self._server(name) if name in self._servers else self._service(name)
        try:
            async with asyncio.timeout(RESPONSE_SECONDS):
                return await ask
        except TimeoutError:
            return Health(f"no response within {RESPONSE_SECONDS:.0f} s", responds=False)
        except Exception as error:  # noqa: BLE001  whatever it is, it is why this part is not ready
            return Health(f"no response: {type(error).__name__}", responds=False)

    async def missing_topics(self) -> set[str]:
        """The topics that the broker should have and has not; none where it does not respond."""
        try:
            async with asyncio.timeout(RESPONSE_SECONDS):
                return set(_ALL_TOPICS - await self._topics())
        except Exception:  # noqa: BLE001  `health` reports that it does not respond
            return set()

    async def _server(self, name: str) -> Health:
        return READY if await self._servers[name]() else Health("no response", responds=False)

    async def _service(self, name: str) -> Health:
        assert self._session is not None
        url = f"http://{LOOPBACK}:{self._where.http[name]}/health/ready"
        try:
            async with self._session.get(url) as response:
                if response.status == 200:
                    return READY
                return Health(_reasons(response.status, await response.read()))
        except aiohttp.ClientConnectorError:
            return Health("takes no connections", responds=False)

    async def _kafka_responds(self) -> bool:
        await self._topics()
        return True

    async def _topics(self) -> frozenset[str]:
        """The topics there are. The connection is kept from one question to the next, since making
        one costs the broker far more than the question; it goes with the first failure."""
        async with self._asking_kafka:
            try:
                if self._admin is None:
                    self._admin = AIOKafkaAdminClient(
                        bootstrap_servers=self._where.kafka,
                        request_timeout_ms=3_000,
                        **client_options(self._where.kafka_security),
                    )
                    await self._admin.start()
                return frozenset(await self._admin.list_topics())
            except BaseException:
                await self._forget_kafka()
                raise

    async def _forget_kafka(self) -> None:
        admin, self._admin = self._admin, None
        if admin is not None:
            await admin.close()


class _Readiness(Struct):
    """What a service says of itself; the reasons only to who shows the internal token."""

    failing: dict[str, str] = {}


def _reasons(status: int, body: bytes) -> str:
    """Why a service is not ready, in its own words."""
    try:
        failing = msgspec.json.decode(body, type=_Readiness).failing
    except msgspec.MsgspecError:
        failing = {}
    if not failing:
        return f"/health/ready responds with status {status}"
    return "; ".join(f"{check}: {why}" for check, why in failing.items())
