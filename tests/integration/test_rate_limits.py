"""The allowance of a key, on a real Redis: weights, debt, and how long a key waits."""

import secrets
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from libs.kernel.errors import RateLimited
from libs.testing.eventually import eventually
from services.gateway.handlers.rate_limits import RateLimiter
from tests.support import Stack

# Slow enough that nothing that matters is refilled while a test looks.
RATE = 1
BURST = 100


@pytest.fixture
async def redis(stack: Stack) -> AsyncIterator[Redis]:
    client = Redis.from_url(stack.addresses.redis)
    yield client
    await client.aclose()


def limiter(redis: Redis) -> RateLimiter:
    """A process's own limiter: each has leases of its own."""
    return RateLimiter(redis, rate=RATE, burst=BURST)


def key() -> str:
    return secrets.token_hex(8)


async def taken_singly(redis: Redis, mine: str) -> int:
    """How many requests of the key pass until one is refused."""
    for count in range(BURST):
        try:
            await limiter(redis).take(mine)
        except RateLimited:
            return count
    return BURST


async def test_a_weight_is_taken_whole_and_puts_the_key_in_debt(redis: Redis) -> None:
    mine = key()
    await limiter(redis).take(mine, weight=5 * BURST)
    with pytest.raises(RateLimited) as refused:
        await limiter(redis).take(mine)
    # 99 tokens, 500 count: 402 must come back before there is one.
    assert 380 <= refused.value.retry_after_seconds <= 403
    await limiter(redis).take(key())


async def test_weights_and_single_requests_share_one_allowance(redis: Redis) -> None:
    mine = key()
    for _ in range(3):
        await limiter(redis).take(mine, weight=30)
    assert 5 <= await taken_singly(redis, mine) <= 15


async def test_a_refused_weight_takes_no_token(redis: Redis) -> None:
    mine = key()
    await limiter(redis).take(mine, weight=BURST)
    for _ in range(20):
        with pytest.raises(RateLimited):
            await limiter(redis).take(mine, weight=1_000)

    async def can_take() -> None:
        await limiter(redis).take(mine)

    await eventually(can_take)


async def test_a_debt_outlives_the_expiry_of_a_full_bucket(redis: Redis) -> None:
    mine = key()
    await limiter(redis).take(mine, weight=10 * BURST)
    remembered = await redis.pttl(f"rate:{{{mine}}}")
    # A full bucket expires after a tenth of this.
    assert remembered / 1000 >= 9 * BURST / RATE
