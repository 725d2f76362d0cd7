"""Reads single rewards and their versions."""

import re
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine

from libs.contracts.events import RewardChanged
from libs.kernel.errors import NotFound
from libs.persistence.engine import Connection, snapshot, statement
from libs.persistence.pages import Listed, Page, unknown_cursor
from services.catalog import store as rewards_db
from services.catalog.domain import RecordedVersion, Reward
from services.catalog.handlers.reward_events import version_event

_VERSION: Final = re.compile(r"[1-9][0-9]{0,17}")
NOT_FOUND: Final = "There is no such reward in this store."


async def get(engine: AsyncEngine, store_id: str, reward_id: str) -> Reward:
    """The reward. Raises NotFound, also for a deleted one."""
    reward = await _find(engine, store_id, reward_id)
    if reward.deleted:
        raise NotFound(NOT_FOUND)
    return reward


async def get_version(engine: AsyncEngine, store_id: str, reward_id: str) -> RewardChanged:
    """The current version as its event has it, also that of a deleted reward. Raises NotFound."""
    return version_event(store_id, await _find(engine, store_id, reward_id))


async def list_versions(
    engine: AsyncEngine, store_id: str, reward_id: str, page: Page
) -> Listed[RecordedVersion]:
    """A page of the reward's versions, newest first, also of a deleted reward. Raises NotFound, and
    InvalidRequest where `starting_after` is no version of it."""
    async with snapshot(engine) as connection:
        current = await _find_in(connection, store_id, reward_id)
        before = _read_cursor(page, current)
        listed = await rewards_db.read_versions(
            connection, store_id, reward_id, before=before, limit=page.limit
        )
        if before is None and not any(
            item.reward.version == current.version for item in listed.items
        ):
            return _with_unrecorded(current, listed, page)
        return listed


def _read_cursor(page: Page, current: Reward) -> int | None:
    cursor = page.starting_after
    if cursor is None:
        return None
    # Versions count from 1 without gaps.
    if not _VERSION.fullmatch(cursor) or int(cursor) > current.version:
        raise unknown_cursor("a version")
    return int(cursor)


def _with_unrecorded(
    current: Reward, listed: Listed[RecordedVersion], page: Page
) -> Listed[RecordedVersion]:
    """The first page of a reward whose current version was written by a release that kept none."""
    first = RecordedVersion(reward=current, changed_by=None, changed_at=None)
    items = [first, *listed.items]
    return Listed(
        items[: page.limit],
        has_more=listed.has_more or len(items) > page.limit,
        counted=listed.counted + 1,
    )


async def _find(engine: AsyncEngine, store_id: str, reward_id: str) -> Reward:
    async with statement(engine) as connection:
        return await _find_in(connection, store_id, reward_id)


async def _find_in(connection: Connection, store_id: str, reward_id: str) -> Reward:
    reward = await rewards_db.find(connection, store_id, reward_id)
    if reward is None:
        raise NotFound(NOT_FOUND)
    return reward
