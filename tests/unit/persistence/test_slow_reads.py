"""Slots for reads whose cost grows with a store's history."""

import asyncio
from collections.abc import Sequence

import pytest

from libs.kernel.errors import RateLimited, Unavailable
from libs.persistence.slow_reads import ReadSlots


def read_slots(*, total: int = 3, per_store: int = 2, wait_seconds: float = 0.01) -> ReadSlots:
    return ReadSlots(
        "lists", requests="lists", total=total, per_store=per_store, wait_seconds=wait_seconds
    )


async def acquire_together(slots: ReadSlots, store_ids: Sequence[str]) -> list[str]:
    """Request a slot for each of the stores and hold it until all have one or were refused. Returns
    "acquired" or the error's code for each."""
    release = asyncio.Event()

    async def acquire(store_id: str) -> str:
        try:
            async with slots.acquire(store_id):
                await release.wait()
                return "acquired"
        except (RateLimited, Unavailable) as refusal:
            return refusal.code

    tasks = [asyncio.ensure_future(acquire(store_id)) for store_id in store_ids]
    await asyncio.sleep(0.1)
    release.set()
    return await asyncio.gather(*tasks)


async def test_a_store_cannot_take_the_slots_of_other_stores() -> None:
    outcomes = await acquire_together(read_slots(), ["a", "a", "a", "a", "b"])
    assert outcomes == ["acquired", "acquired", "rate_limited", "rate_limited", "acquired"]


async def test_all_stores_share_the_total() -> None:
    outcomes = await acquire_together(read_slots(), ["a", "b", "c", "d"])
    assert outcomes == ["acquired", "acquired", "acquired", "unavailable"]


async def test_a_waiting_request_gets_the_next_free_slot_in_order() -> None:
    slots = read_slots(total=1, per_store=1, wait_seconds=5)
    order: list[int] = []

    async def read(number: int) -> None:
        async with slots.acquire("a"):
            order.append(number)
            await asyncio.sleep(0)

    await asyncio.gather(*(read(number) for number in range(5)))
    assert order == [0, 1, 2, 3, 4]


async def test_a_slot_is_released_after_a_failure() -> None:
    slots = read_slots(total=1, per_store=1)
    for _ in range(3):
        with pytest.raises(ValueError, match="on purpose"):
            async with slots.acquire("a"):
                raise ValueError("on purpose")
    with pytest.raises(Unavailable):
        async with slots.acquire("a"), slots.acquire("b"):
            pass
    async with slots.acquire("b"):
        pass


async def test_a_refusal_states_the_limit_and_when_to_retry() -> None:
    error = read_slots().rate_limited()
    assert (error.retry_after_seconds, error.rate_limit, error.rate_limit_policy) == (
        *(1, '"lists";r=0;t=1', '"lists";q=2;qu="concurrent-requests"'),
    )


async def test_stores_without_requests_use_no_memory() -> None:
    slots = read_slots()
    for number in range(100):
        async with slots.acquire(f"store_{number}"):
            pass
    assert len(slots._store_slots) == 0
