"""Sliding windows in Redis: which customers' earnings must be looked at closely.

They are a cache. PostgreSQL has every earning, and judges whoever is suspect here; a window only has
to suspect enough. So a missing one is made anew, and one that may lack something is never used: its
key holds the store's epoch, which goes up with the transaction of whatever was not told to Redis,
and the run of the server, since one that was started again may have forgotten the latest.
"""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal

import msgspec
from msgspec import Struct
from redis.asyncio import Redis
from redis.exceptions import RedisError

from libs.observability import logging, metrics
from services.anomaly.store.earnings import ID_PREFIX, Customer, Earning

# Long enough for what comes an hour late to find its neighbours without asking PostgreSQL.
_LIVES_MS: Final = 2 * 3_600_000
# After a failure Redis is left alone for so long.
_CIRCUIT_SECONDS: Final = 1.0
_SCRIPT: Final = (Path(__file__).parent / "windows.lua").read_text()
_NEVER: Final = float("inf")

_encode: Final = msgspec.msgpack.Encoder().encode

Screening = Literal[0, 1, 2]
NOTHING: Final = 0
LOOK: Final = 1
MISSING: Final = 2

log = logging.get(__name__)


class RedisAway(Exception):
    """Redis does not answer: what would have been asked there is not known."""


class Made(Struct, frozen=True, kw_only=True):
    """A window as PostgreSQL has it; `limit` None where no day can deviate."""

    floor: int
    day: int
    points: int
    limit: int | None
    known: Sequence[tuple[int, str]]


class Asked(Struct, frozen=True, kw_only=True):
    """A customer's new earnings, and what makes a burst of them; with `made`, the window is made
    first."""

    customer: Customer
    epoch: int
    count: int
    window_ms: int
    earnings: Sequence[Earning]
    made: Made | None = None


class Windows:
    """The windows at `redis`, one atomic script for a whole batch.

    On a Redis Cluster a customer's key has one place, its hash tag; a batch is then one call per
    node.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._script = redis.register_script(_SCRIPT)
        self._run: str | None = None
        self._away_until = 0.0
        self._in_use = True

    async def suspect(self, asked: Sequence[Asked]) -> list[Screening]:
        """Add the earnings to their windows; answers a verdict for each customer. Raises RedisAway."""
        if not asked:
            return []
        if self._away_until > time.monotonic():
            metrics.WINDOWS_UNAVAILABLE.inc()
            raise RedisAway
        try:
            if self._run is None:
                self._run = (await self._redis.info("server"))["run_id"][:8]
            verdicts: list[Screening] = await self._script(
                keys=[self._key(one.customer, one.epoch) for one in asked],
                args=[_LIVES_MS, _encode([_packed(one) for one in asked])],
            )
        except (RedisError, OSError, TimeoutError) as error:
            self._lose(error)
            raise RedisAway from error
        if not self._in_use:
            self._in_use = True
            log.info("windows_in_use_again")
        return verdicts

    async def forget(self, customers: Sequence[tuple[Customer, int]]) -> None:
        """Drop the windows of customers in their stores' epochs. Raises RedisAway."""
        try:
            for customer, epoch in customers:
                await self._redis.delete(self._key(customer, epoch))
        except (RedisError, OSError, TimeoutError) as error:
            self._lose(error)
            raise RedisAway from error

    def _key(self, customer: Customer, epoch: int) -> str:
        store_id, customer_id = customer
        return f"anomaly:{self._run}:{epoch}:{{{store_id}:{customer_id}}}"

    def _lose(self, error: Exception) -> None:
        # Whatever answers next may be another server.
        self._run = None
        self._away_until = time.monotonic() + _CIRCUIT_SECONDS
        metrics.WINDOWS_UNAVAILABLE.inc()
        if self._in_use:
            self._in_use = False
            log.warning("windows_not_in_use", error=repr(error))


def _packed(asked: Asked) -> list[Any]:
    made = asked.made
    earnings = [(one.at, _member(one.transaction_id), one.points) for one in asked.earnings]
    if made is None:
        return [asked.count, asked.window_ms, earnings]
    known = [part for at, id_ in made.known for part in (at, _member(id_))]
    limit = _NEVER if made.limit is None else made.limit
    return [
        asked.count,
        asked.window_ms,
        earnings,
        [made.floor, made.day, made.points, limit, known],
    ]


def _member(transaction_id: str) -> str:
    return transaction_id.removeprefix(ID_PREFIX)


def by_customer(earnings: Sequence[Earning]) -> Mapping[Customer, list[Earning]]:
    """The earnings of each customer, in the order they came."""
    found: dict[Customer, list[Earning]] = {}
    for one in earnings:
        found.setdefault(one.customer, []).append(one)
    return found
