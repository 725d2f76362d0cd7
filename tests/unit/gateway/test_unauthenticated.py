"""What unauthenticated callers share: a pace, look-ups of their own; and the memory for bodies."""

import asyncio
import time
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from libs.kernel.errors import Unauthenticated, Unavailable
from services.gateway.api.bodies import BodyMemory
from services.gateway.domain import ApiKey, digest_of
from services.gateway.handlers.authentication import Authenticator
from services.gateway.handlers.pacer import Pacer
from tests.unit.gateway.api_keys import random_key

SECRET = "s" * 32


async def test_requests_beyond_the_burst_pass_at_the_rate() -> None:
    pacer = Pacer(per_second=100, burst=10)
    started = time.monotonic()
    await asyncio.gather(*(pacer.wait() for _ in range(40)))
    assert time.monotonic() - started >= 0.28


async def test_a_request_that_would_wait_too_long_is_refused_immediately(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = SimpleNamespace(monotonic=lambda: 100.0)
    monkeypatch.setattr("services.gateway.handlers.pacer.time", clock)
    pacer = Pacer(per_second=10, burst=1, max_wait_seconds=0.5)
    waiting = [asyncio.create_task(pacer.wait()) for _ in range(50)]
    # One turn of the event loop, in which nothing that waits can pass.
    await asyncio.sleep(0)
    refused = [one for one in waiting if one.done() and one.exception()]
    assert 42 <= len(refused) <= 44
    outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    assert sum(isinstance(one, Unavailable) for one in outcomes) == len(refused)


async def test_a_known_key_is_renewed_while_look_ups_of_unknown_keys_hang(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    key = random_key()
    known = ApiKey(digest_of(key, SECRET.encode()), "store_1", "test", frozenset({"read"}))
    hangs = asyncio.Event()

    async def find_keys(_engine: Any, digests: Sequence[bytes]) -> dict[bytes, ApiKey]:
        if known.digest not in digests:
            await hangs.wait()
        return {known.digest: known} if known.digest in digests else {}

    async def record_use(_engine: Any, _digests: Sequence[bytes]) -> None:
        """The database is readable only: authentication must not depend on writing."""
        raise OSError("read-only transaction")

    monkeypatch.setattr("services.gateway.store.find_keys", find_keys)
    monkeypatch.setattr("services.gateway.store.record_use", record_use)
    monkeypatch.setattr("services.gateway.handlers.authentication._CACHED_SECONDS", 0.01)
    engine: Any = None
    authenticator = Authenticator(engine, secret=SECRET, local=True, unauthenticated=Pacer())
    headers = {f"Bearer {key}".encode()}
    assert await authenticator.authenticate(headers) == known
    attempts = [
        asyncio.create_task(authenticator.authenticate({f"Bearer {random_key()}".encode()}))
        for _ in range(50)
    ]
    await asyncio.sleep(0.05)
    async with asyncio.timeout(60):
        assert await authenticator.authenticate(headers) == known
    hangs.set()
    responses = await asyncio.gather(*attempts, return_exceptions=True)
    assert all(isinstance(one, Unauthenticated) for one in responses)


def test_bodies_share_a_memory_and_each_key_has_a_share_of_it() -> None:
    memory = BodyMemory(per_key=10, in_all=15)
    with memory.reserve(b"a") as hold:
        hold(6)
        hold(4)
        with pytest.raises(Unavailable):
            hold(1)
        with memory.reserve(b"b") as other:
            other(5)
            with pytest.raises(Unavailable):
                other(1)
    with memory.reserve(b"a") as hold:
        hold(10)
