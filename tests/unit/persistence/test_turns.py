"""Turns at work that grows with a store's history."""

import asyncio
from collections.abc import Sequence

import pytest

from libs.kernel.errors import RateLimited, Unavailable
from libs.persistence.slow_reads import Turns


def turns(*, at_once: int = 3, of_a_store: int = 2, wait_seconds: float = 0.01) -> Turns:
    return Turns("lists", at_once=at_once, of_a_store=of_a_store, wait_seconds=wait_seconds)


async def hold(taken: Turns, stores: Sequence[str], until: asyncio.Event) -> list[str]:
    """Ask for a turn for each of the stores, and hold those that were had; what came of each."""

    async def one(store_id: str) -> str:
        try:
            async with taken.take(store_id):
                await until.wait()
                return "had"
        except (RateLimited, Unavailable) as refused:
            return refused.code

    tasks = [asyncio.ensure_future(one(store_id)) for store_id in stores]
    await asyncio.sleep(0.1)
    until.set()
    return await asyncio.gather(*tasks)


async def test_a_store_has_so_many_turns_and_leaves_room_for_others() -> None:
    outcome = await hold(turns(), ["a", "a", "a", "a", "b"], asyncio.Event())
    assert outcome == ["had", "had", "rate_limited", "rate_limited", "had"]


async def test_all_stores_together_have_so_many() -> None:
    outcome = await hold(turns(), ["a", "b", "c", "d"], asyncio.Event())
    assert outcome == ["had", "had", "had", "unavailable"]


async def test_who_waits_has_the_turn_of_who_is_done() -> None:
    taken = turns(at_once=1, of_a_store=1, wait_seconds=5)
    order: list[int] = []

    async def one(number: int) -> None:
        async with taken.take("a"):
            order.append(number)
            await asyncio.sleep(0)

    await asyncio.gather(*(one(number) for number in range(5)))
    assert order == [0, 1, 2, 3, 4]


async def test_a_turn_is_given_back_whatever_happens() -> None:
    taken = turns(at_once=1, of_a_store=1)
    for _ in range(3):
        with pytest.raises(ValueError, match="on purpose"):
            async with taken.take("a"):
                raise ValueError("on purpose")
    with pytest.raises(Unavailable):
        async with taken.take("a"), taken.take("b"):
            pass
    async with taken.take("b"):
        pass


async def test_a_refusal_says_which_limit_it_is_and_when_to_come_back() -> None:
    refused = turns().busy()
    assert (refused.retry_after_seconds, refused.rate_limit, refused.rate_limit_policy) == (
        *(1, '"lists";r=0;t=1', '"lists";q=2;qu="concurrent-requests"'),
    )


async def test_stores_that_are_gone_are_forgotten() -> None:
    taken = turns()
    for number in range(100):
        async with taken.take(f"store_{number}"):
            pass
    assert len(taken._stores) == 0
