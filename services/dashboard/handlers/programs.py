"""The programs of a store: what each earns now, what a change would do, and how each has changed."""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from msgspec import Struct

from libs.kernel.errors import NotFound
from services.dashboard.domain.changes import Change
from services.dashboard.domain.programs import ProgramForm, ProgramValues, differences, values_of
from services.dashboard.handlers.panels import Failed, attempt
from whale_loyalty import AsyncWhaleClient
from whale_loyalty.errors import InvalidRequest
from whale_loyalty.models import Program, ProgramPreview, ProgramVersion, Reward

_MOST_PROGRAMS: Final = 100
# More rewards than a store has; those beyond are not checked.
_MOST_REWARDS: Final = 500
_VERSIONS: Final = 20


class ProgramPage(Struct, frozen=True, kw_only=True):
    """A program among those of the store. `today` prices an order in each tier, `unmatched` are the
    rewards whose min_tier names none of the default program's tiers."""

    program: Program | None
    programs: Sequence[Program]
    today: ProgramPreview | Failed | None = None
    unmatched: Sequence[Reward] | Failed = ()


class Outlook(Struct, frozen=True, kw_only=True):
    """What a change or a new program would mean; `unmatched` are the rewards that nobody could redeem any more.
    `is_default`: the program is the default one, or would be."""

    preview: ProgramPreview | Failed | None
    is_default: bool = False
    unmatched: Sequence[Reward] | Failed = ()
    errors: Sequence[dict[str, str]] = ()


class VersionEntry(Struct, frozen=True):
    """A version and what it changed; the first version has no earlier one."""

    version: ProgramVersion
    changes: Sequence[Change]
    is_first: bool


class Versions(Struct, frozen=True, kw_only=True):
    """A page of a program's versions, newest first; `older` continues it."""

    program: Program
    entries: Sequence[VersionEntry]
    total: int
    older: str | None


async def load(client: AsyncWhaleClient, program_id: str) -> ProgramPage:
    """The program of this id, the default one without an id. Raises NotFound, and what its own list
    raises."""
    page = await client.programs.list(limit=_MOST_PROGRAMS)
    program = await _choose(client, page.data, program_id)
    if program is None:
        return ProgramPage(program=None, programs=())
    today, unmatched = await asyncio.gather(
        attempt(client.programs.preview(program.id)),
        attempt(_unmatched(client, program, is_default=bool(program.is_default))),
    )
    return ProgramPage(program=program, programs=page.data, today=today, unmatched=unmatched)


async def _choose(
    client: AsyncWhaleClient, programs: Sequence[Program], program_id: str
) -> Program | None:
    if program_id:
        matches = (program for program in programs if program.id == program_id)
        return next(matches, None) or await client.programs.retrieve(program_id)
    default = (program for program in programs if program.is_default)
    return next(default, programs[0] if programs else None)


async def _unmatched(
    client: AsyncWhaleClient, after: ProgramValues, *, is_default: bool
) -> Sequence[Reward]:
    """The rewards that need a tier which `after` does not have; only the default program's tiers
    count."""
    if not is_default:
        return ()
    names = {tier.name for tier in after.tiers}
    return [
        reward
        for reward in await load_rewards(client)
        if reward.min_tier is not None and reward.min_tier not in names
    ]


async def load_rewards(client: AsyncWhaleClient) -> list[Reward]:
    """All rewards, oldest first, up to a number that no catalog should reach."""
    rewards: list[Reward] = []
    async for reward in client.loyalty.rewards.list(include="all", limit=100):
        rewards.append(reward)
        if len(rewards) >= _MOST_REWARDS:
            break
    return rewards


async def load_outlook(
    client: AsyncWhaleClient, program: Program | None, form: ProgramForm
) -> Outlook:
    """What saving the form would mean; `errors` are those of the API about the form. `program` is None for a
    new one."""
    values = values_of(form)
    is_default = await attempt(_is_default(client, program, values))
    if isinstance(is_default, Failed):
        return Outlook(preview=is_default)
    preview, unmatched = await asyncio.gather(
        attempt(_preview(client, program, values)),
        attempt(_unmatched(client, values, is_default=is_default)),
    )
    if isinstance(preview, InvalidRequest):
        return Outlook(preview=None, errors=preview.errors)
    return Outlook(preview=preview, unmatched=unmatched, is_default=is_default)


async def _is_default(
    client: AsyncWhaleClient, program: Program | None, values: ProgramValues
) -> bool:
    """Whether the program is the default one; a new one becomes it if it is the only active one."""
    if program is not None:
        return bool(program.is_default)
    page = await client.programs.list(limit=_MOST_PROGRAMS)
    return values.is_active and not any(one.is_default for one in page.data)


async def _preview(
    client: AsyncWhaleClient, program: Program | None, values: ProgramValues
) -> ProgramPreview | InvalidRequest:
    try:
        if program is None:
            return await client.programs.preview_new(**body_of(values))
        return await client.programs.preview(program.id, **body_of(values))
    except InvalidRequest as error:
        return error


def body_of(values: ProgramValues) -> dict[str, Any]:
    """What to send; None removes a setting. It depends on the form alone, so that sending it again is the
    same request."""
    return {
        "name": values.name,
        "points_per_dollar": values.points_per_dollar,
        "currency": values.currency,
        "is_active": values.is_active,
        "keep_items": values.keep_items,
        "tiers": values.tiers,
        "time_zone": values.time_zone,
        "expiry": values.expiry,
        "remind_days": values.remind_days,
        "pending": values.pending,
    }


async def find_version(client: AsyncWhaleClient, program_id: str, number: str) -> ProgramVersion:
    """A version of a program. Raises NotFound."""
    async for version in client.programs.versions(program_id, limit=100):
        if str(version.version) == number:
            return version
    raise NotFound(f"The program has no version {number}.")


async def load_versions(client: AsyncWhaleClient, program_id: str, before: str) -> Versions:
    """A page of versions, each with its changes. Raises NotFound."""
    program, page = await asyncio.gather(
        client.programs.retrieve(program_id),
        client.programs.versions(program_id, limit=_VERSIONS + 1, starting_after=before or None),
    )
    versions = page.data[:_VERSIONS]
    entries = []
    for number, version in enumerate(versions):
        earlier = page.data[number + 1] if number + 1 < len(page.data) else None
        entries.append(VersionEntry(version, differences(earlier, version), earlier is None))
    older = str(versions[-1].version) if len(page.data) > _VERSIONS else None
    return Versions(program=program, entries=entries, total=page.total, older=older)
