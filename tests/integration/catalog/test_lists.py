"""Lists of rewards that are fast and never stale."""

import itertools
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from libs.persistence.engine import create_engine
from services.catalog import store as rewards_db
from services.catalog.api.responses import encode_page
from services.catalog.handlers.resources import Resources
from services.catalog.handlers.reward_pages import PageCache, PageRequest, RenderedPage, RewardPages
from tests.integration.catalog.conftest import FIRST_PAGE, NOON, carry_out, data_of, new
from tests.integration.conftest import Database


async def test_a_page_is_rendered_once_until_something_changes(
    resources: Resources, engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    rendered = itertools.count()
    page = rewards_db.read_page

    async def counting(*words: Any, **named: Any) -> Any:
        next(rendered)
        return await page(*words, **named)

    monkeypatch.setattr(rewards_db, "read_page", counting)
    await carry_out(resources, new("rwd_1"))
    pages = RewardPages(engine, encode_page=encode_page)
    for _ in range(5):
        assert len(data_of(await pages.get(FIRST_PAGE))) == 1
    await carry_out(resources, new("rwd_2"))
    for _ in range(5):
        assert len(data_of(await pages.get(FIRST_PAGE))) == 2
    assert next(rendered) == 2


async def test_a_process_reads_what_another_wrote(resources: Resources, database: Database) -> None:
    other = create_engine(database.url, name="another process")
    pages = RewardPages(other, encode_page=encode_page)
    for number in range(1, 20):
        await carry_out(resources, new(f"rwd_{number}"))
        assert len(data_of(await pages.get(FIRST_PAGE))) == number
    await other.dispose()


async def test_time_alone_makes_a_cached_page_wrong(
    resources: Resources, engine: AsyncEngine
) -> None:
    """A reward is there from its start on, and at its end it is not."""
    moments = iter(
        [
            NOON,
            NOON + timedelta(hours=1, milliseconds=-1),
            NOON + timedelta(hours=1),
            NOON + timedelta(hours=2, milliseconds=-1),
            NOON + timedelta(hours=2),
        ]
    )
    pages = RewardPages(engine, encode_page=encode_page, clock=lambda: next(moments))
    await carry_out(
        resources,
        new("rwd_1", starts_at="2026-03-10T13:00:00Z", ends_at="2026-03-10T14:00:00Z"),
    )
    lengths = [len(data_of(await pages.get(FIRST_PAGE))) for _ in range(5)]
    assert lengths == [0, 0, 1, 1, 0]


def test_the_cache_is_bounded_and_drops_the_least_recently_used_page() -> None:
    cache = PageCache(max_bytes=4 * 3_000)
    requests = [
        PageRequest(f"store_{number}", include_all=False, page=FIRST_PAGE.page)
        for number in range(4)
    ]
    page = RenderedPage(1, None, b"x" * 1_976)
    for request in requests * 2:
        cache.put(request, page)
    assert all(cache.find(request, revision=1, now=NOON) for request in requests)
    cache.find(requests[0], revision=1, now=NOON)
    cache.put(PageRequest("store_4", include_all=False, page=FIRST_PAGE.page), page)
    assert [cache.find(request, revision=1, now=NOON) is None for request in requests] == [
        *(False, True, False, False)
    ]
