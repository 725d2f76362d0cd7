"""Sliding windows in Redis: the screening of customers without reading their history.

Windows are a cache. PostgreSQL has every earning and judges each customer that screening lets
through, so a window only has to let enough through. A missing window is rebuilt, and a window that
may be incomplete is never used: its key contains the store's epoch, which rises in the transaction of
whatever Redis did not receive, and the run id of the server, since a restarted server may have lost
its latest writes.
"""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Literal

import msgspec
from msgspec import Struct
from redis.asyncio import Redis
from redis.exceptions import RedisError

from libs.observability import logging, metrics
from services.anomaly.domain.screening import Screening
from services.anomaly.domain.windows import WindowContents
from services.anomaly.store.earnings import ID_PREFIX, Customer, EarningEvent

# Long enough for an earning that arrives an hour late to find its neighbors without PostgreSQL.
_EXPIRY_MS: Final = 2 * 3_600_000
# After a failure Redis is not called for this long.
_CIRCUIT_SECONDS: Final = 1.0
_SCRIPT: Final = (Path(__file__).parent / "windows.lua").read_text()
_NO_LIMIT: Final = float("inf")

_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(list[Screening | Literal[0]]).decode

log = logging.get(__name__)


class WindowsUnavailable(Exception):
    """Redis does not respond, so that nothing is known of the windows."""


class WindowUpdate(Struct, frozen=True, kw_only=True):
    """A customer's new earnings and the settings of the window; with `contents`, the window is
    created first."""

    customer: Customer
    epoch: int
    count: int
    window_ms: int
    events: Sequence[EarningEvent]
    contents: WindowContents | None = None


class Windows:
    """The windows at `redis`, one atomic script for a whole batch.

    On a Redis Cluster a customer's key has one place, its hash tag; a batch is then one call per
    node.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._script = redis.register_script(_SCRIPT)
        self._run_id: str | None = None
        self._closed_until = 0.0
        self._is_available = True

    async def add(self, updates: Sequence[WindowUpdate]) -> list[Screening | None]:
        """Add the earnings to their windows; returns each customer's screening, None where there is
        no window. Raises WindowsUnavailable."""
        if not updates:
            return []
        if self._closed_until > time.monotonic():
            metrics.WINDOWS_UNAVAILABLE.inc()
            raise WindowsUnavailable
        try:
            if self._run_id is None:
                self._run_id = (await self._redis.info("server"))["run_id"][:8]
            packed: bytes = await self._script(
                keys=[self._key(update.customer, update.epoch) for update in updates],
                args=[_EXPIRY_MS, _encode([_pack(update) for update in updates])],
            )
        except (RedisError, OSError, TimeoutError) as error:
            self._open_circuit(error)
            raise WindowsUnavailable from error
        if not self._is_available:
            self._is_available = True
            log.info("windows_available")
        return [screening or None for screening in _decode(packed)]

    async def delete(self, customers: Sequence[tuple[Customer, int]]) -> None:
        """Delete the windows of customers in their stores' epochs. Raises WindowsUnavailable."""
        if not customers:
            return
        try:
            await self._redis.delete(*(self._key(customer, epoch) for customer, epoch in customers))
        except (RedisError, OSError, TimeoutError) as error:
            self._open_circuit(error)
            raise WindowsUnavailable from error

    def _key(self, customer: Customer, epoch: int) -> str:
        store_id, customer_id = customer
        return f"anomaly:{self._run_id}:{epoch}:{{{store_id}:{customer_id}}}"

    def _open_circuit(self, error: Exception) -> None:
        # The next server to respond may be another one.
        self._run_id = None
        self._closed_until = time.monotonic() + _CIRCUIT_SECONDS
        metrics.WINDOWS_UNAVAILABLE.inc()
        if self._is_available:
            self._is_available = False
            log.warning("windows_unavailable", error=repr(error))


def _pack(update: WindowUpdate) -> list[Any]:
    contents = update.contents
    earnings = [(event.at, _member(event.transaction_id), event.points) for event in update.events]
    if contents is None:
        return [update.count, update.window_ms, earnings]
    members = [part for at, id_ in contents.earnings for part in (at, _member(id_))]
    limit = _NO_LIMIT if contents.day_limit is None else contents.day_limit
    return [
        update.count,
        update.window_ms,
        earnings,
        [contents.floor, contents.day, contents.day_points, limit, members],
    ]


def _member(transaction_id: str) -> str:
    return transaction_id.removeprefix(ID_PREFIX)
