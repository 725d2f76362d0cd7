"""The rewards of a store: what is offered now, how often each was redeemed, and how it has changed."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Final, Literal

from msgspec import Struct

from libs.kernel.errors import NotFound
from services.dashboard.domain.changes import Change
from services.dashboard.domain.rewards import (
    Reason,
    differences,
    needs_missing_tier,
    why_unavailable,
)
from services.dashboard.handlers.panels import Failed, attempt
from services.dashboard.handlers.programs import load_rewards
from whale_loyalty import AsyncWhaleClient
from whale_loyalty.models import Reward, RewardVersion

Show = Literal["all", "available", "not"]
SHOWS: Final[tuple[Show, ...]] = ("all", "available", "not")
_PAGE: Final = 25
_VERSIONS: Final = 20
# So many questions of one page are open at a time.
_PARALLEL: Final = 8


class Uses(Struct, frozen=True):
    """How many redemptions a reward has, of every status; `is_more` if there are more than that."""

    count: int
    is_more: bool


class RewardRow(Struct, frozen=True, kw_only=True):
    """A reward, why it is not available now, and whether its min_tier is none of the program's."""

    reward: Reward
    reason: Reason | None
    lacks_tier: bool
    uses: Uses | Failed | None = None


class RewardList(Struct, frozen=True, kw_only=True):
    """A page of the rewards of a filter, oldest first, with how many each filter has."""

    rows: Sequence[RewardRow]
    counts: dict[str, int]
    show: Show
    first: int
    older: int | None


class RewardPage(Struct, frozen=True, kw_only=True):
    """One reward; `tiers` are the names of the default program's tiers, None if they are not known."""

    row: RewardRow
    tiers: Sequence[str] | None


class VersionEntry(Struct, frozen=True):
    """A version and what it changed; the first version has no earlier one."""

    version: RewardVersion
    changes: Sequence[Change]
    is_first: bool


class Versions(Struct, frozen=True, kw_only=True):
    """A page of a reward's versions, newest first; `older` continues it."""

    reward_id: str
    entries: Sequence[VersionEntry]
    total: int
    older: str | None


async def load_list(client: AsyncWhaleClient, show: Show, first: int, now: datetime) -> RewardList:
    """The rewards of a filter, from number `first` on."""
    rewards, tiers = await asyncio.gather(load_rewards(client), attempt(load_tiers(client)))
    names = None if isinstance(tiers, Failed) else tiers
    all_rows = [_row(reward, names, now) for reward in rewards]
    by_show = {
        "all": all_rows,
        "available": [row for row in all_rows if row.reason is None],
        "not": [row for row in all_rows if row.reason is not None],
    }
    matching = by_show[show]
    page = matching[first : first + _PAGE]
    turns = asyncio.Semaphore(_PARALLEL)
    uses = await asyncio.gather(*(_count_uses(client, row.reward.id, turns) for row in page))
    return RewardList(
        rows=[_with_uses(row, count) for row, count in zip(page, uses, strict=True)],
        counts={name: len(rows) for name, rows in by_show.items()},
        show=show,
        first=first,
        older=first + _PAGE if len(matching) > first + _PAGE else None,
    )


def _row(reward: Reward, tiers: Sequence[str] | None, now: datetime) -> RewardRow:
    return RewardRow(
        reward=reward,
        reason=why_unavailable(reward, now),
        lacks_tier=needs_missing_tier(reward, tiers),
    )


def _with_uses(row: RewardRow, uses: Uses | Failed) -> RewardRow:
    return RewardRow(reward=row.reward, reason=row.reason, lacks_tier=row.lacks_tier, uses=uses)


async def load_tiers(client: AsyncWhaleClient) -> list[str] | None:
    """The names of the tiers of the default program; None without one."""
    page = await client.programs.list(limit=100)
    program = next((program for program in page.data if program.is_default), None)
    return None if program is None else [tier.name for tier in program.tiers]


async def _count_uses(
    client: AsyncWhaleClient, reward_id: str, turns: asyncio.Semaphore
) -> Uses | Failed:
    async with turns:
        page = await attempt(client.loyalty.redemptions.list(reward_id=reward_id, limit=1))
    return page if isinstance(page, Failed) else Uses(page.total, page.total_more)


async def load(client: AsyncWhaleClient, reward_id: str, now: datetime) -> RewardPage:
    """One reward. Raises NotFound."""
    reward, tiers, uses = await asyncio.gather(
        client.loyalty.rewards.retrieve(reward_id),
        attempt(load_tiers(client)),
        _count_uses(client, reward_id, asyncio.Semaphore(1)),
    )
    names = None if isinstance(tiers, Failed) else tiers
    return RewardPage(row=_with_uses(_row(reward, names, now), uses), tiers=names)


async def find_version(client: AsyncWhaleClient, reward_id: str, number: str) -> RewardVersion:
    """A version of a reward. Raises NotFound."""
    async for version in client.loyalty.rewards.versions(reward_id, limit=100):
        if str(version.version) == number:
            return version
    raise NotFound(f"The reward has no version {number}.")


async def load_versions(client: AsyncWhaleClient, reward_id: str, before: str) -> Versions:
    """A page of versions, each with its changes; also those of a deleted reward. Raises NotFound."""
    page = await client.loyalty.rewards.versions(
        reward_id, limit=_VERSIONS + 1, starting_after=before or None
    )
    versions = page.data[:_VERSIONS]
    entries = []
    for number, version in enumerate(versions):
        earlier = page.data[number + 1] if number + 1 < len(page.data) else None
        changes = [] if version.deleted else differences(earlier, version)
        entries.append(VersionEntry(version, changes, earlier is None))
    older = str(versions[-1].version) if len(page.data) > _VERSIONS else None
    return Versions(reward_id=reward_id, entries=entries, total=page.total, older=older)
