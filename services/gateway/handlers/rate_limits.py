"""Rate limits per key, shared by all processes of the gateway through Redis, never exceeded.

Each key has a token bucket in Redis, and one atomic script takes tokens from it. A busy process takes
several tokens at a time, as a lease, so that most requests need no call to Redis. The unused tokens of a
lease expire after LEASE_SECONDS. The bucket is smaller than the burst by what it refills in that time,
so leased and new tokens together never exceed the burst.

A request that weighs more than one token passes while there is any token, and takes its whole weight: the
bucket goes into debt, and the key waits until the debt is refilled. A batch larger than the bucket is
therefore possible, and the average rate still holds.
"""

import asyncio
import math
import time
from typing import Final

from redis.asyncio import Redis
from redis.exceptions import RedisError

from libs.kernel.errors import RateLimited
from libs.observability import logging, metrics

LEASE_SECONDS: Final = 0.05
_LARGEST_LEASE: Final = 50
# After a failure, Redis is not called for so long, so that requests do not wait for it.
_CIRCUIT_OPEN_SECONDS: Final = 1.0

# KEYS[1]: the bucket. ARGV: tokens per second, capacity, tokens wanted, and 1 to take all of them even
# into debt. Returns the tokens granted and, where none was, the milliseconds until there is one.
_TAKE: Final = """
local rate, capacity, wanted = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local whole = ARGV[4] == '1'
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local bucket = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local tokens = tonumber(bucket[1]) or capacity
tokens = math.min(capacity, tokens + math.max(0, now - (tonumber(bucket[2]) or now)) * rate / 1000)
local granted = math.max(0, math.min(wanted, math.floor(tokens)))
if whole and granted > 0 then granted = wanted end
tokens = tokens - granted
redis.call('HSET', KEYS[1], 'tokens', tostring(tokens), 'at', now)
redis.call('PEXPIRE', KEYS[1], math.ceil((capacity - tokens) / rate * 1000) + 1000)
local wait = 0
if granted == 0 then wait = math.ceil((1 - tokens) * 1000 / rate) end
return {granted, wait}
"""

log = logging.get(__name__)


class _Lease:
    """The tokens of one key's bucket that this process has leased."""

    __slots__ = ("denied_until", "expires", "lock", "size", "tokens")

    def __init__(self) -> None:
        self.tokens = 0
        self.size = 0
        self.expires = 0.0
        self.denied_until = 0.0
        self.lock = asyncio.Lock()


class RateLimiter:
    """Takes a token per request from buckets that refill by `rate` tokens per second up to `burst`."""

    def __init__(self, redis: Redis, *, rate: int, burst: int) -> None:
        self._redis = redis
        self._script = redis.register_script(_TAKE)
        self._rate = rate
        self._burst = burst
        self._capacity = max(1, burst - math.ceil(rate * LEASE_SECONDS))
        self._leases: dict[str, _Lease] = {}
        self._circuit_open_until = 0.0
        self._enforced = True

    async def take(self, key: str, *, weight: int = 1) -> None:
        """Take `weight` tokens of `key`. Raises RateLimited where none is left. A weight above what is
        left puts the key into debt. While Redis is unavailable nothing is limited, which is logged and
        counted."""
        lease = self._leases.get(key)
        if lease is None:
            lease = self._leases[key] = _Lease()
        if self._spend(lease, weight):
            return
        async with lease.lock:
            if self._spend(lease, weight):
                return
            now = time.monotonic()
            if lease.denied_until <= now:
                if weight == 1:
                    await self._renew(key, lease, now)
                else:
                    await self._request(key, lease, weight, whole=True)
        if lease.denied_until > time.monotonic():
            raise self._refusal(lease.denied_until - time.monotonic())

    @staticmethod
    def _spend(lease: _Lease, weight: int) -> bool:
        if lease.tokens < weight or lease.expires <= time.monotonic():
            return False
        lease.tokens -= weight
        return True

    async def _renew(self, key: str, lease: _Lease, now: float) -> None:
        """Take a new lease and spend one of its tokens, or record until when there is none."""
        # A lease that was used up may be larger next time; one that expired was too large.
        used_up = lease.tokens == 0 and now < lease.expires
        requested = min(lease.size * 2, _LARGEST_LEASE) if used_up else max(lease.size // 2, 1)
        granted = await self._request(key, lease, max(requested, 1), whole=False)
        if granted:
            lease.size = granted
            lease.tokens = granted - 1
            lease.expires = now + LEASE_SECONDS

    async def _request(self, key: str, lease: _Lease, requested: int, *, whole: bool) -> int:
        """The tokens granted: 0 where there is none, which `lease` then records, and while Redis is
        unavailable."""
        if self._circuit_open_until > time.monotonic():
            metrics.LIMITS_UNENFORCED.inc()
            return 0
        try:
            granted, wait = await self._script(
                keys=[f"rate:{{{key}}}"],
                args=[self._rate, self._capacity, requested, int(whole)],
            )
        except (RedisError, OSError, TimeoutError) as error:
            self._open_circuit(error)
            return 0
        self._close_circuit()
        if granted == 0:
            lease.tokens = lease.size = 0
            lease.denied_until = time.monotonic() + wait / 1000
        return int(granted)

    def _refusal(self, seconds: float) -> RateLimited:
        metrics.RATE_LIMITED.inc()
        whole = max(1, math.ceil(seconds))
        return RateLimited(
            f"This key may make {self._rate} requests per second, in bursts of up to {self._burst}. "
            f"Try again in {whole} s.",
            retry_after_seconds=whole,
            rate_limit=f'"key";r=0;t={whole}',
            rate_limit_policy=f'"key";q={self._burst};w={math.ceil(self._burst / self._rate)}',
        )

    def _open_circuit(self, error: Exception) -> None:
        self._circuit_open_until = time.monotonic() + _CIRCUIT_OPEN_SECONDS
        metrics.LIMITS_UNENFORCED.inc()
        if self._enforced:
            self._enforced = False
            log.warning("rate_limits_not_enforced", error=repr(error))

    def _close_circuit(self) -> None:
        if not self._enforced:
            self._enforced = True
            log.info("rate_limits_enforced_again")
