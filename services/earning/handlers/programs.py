"""Programs: created, changed and read."""

import re
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec
from msgspec import UNSET, Struct
from sqlalchemy.ext.asyncio import AsyncEngine

from libs.contracts import api, program_api
from libs.kernel.errors import NotFound
from libs.kernel.ids import parse_id, shifted_id, uuid7_text
from libs.kernel.versions import require_version
from libs.persistence.engine import Connection, transaction
from libs.persistence.idempotency import StoredResponse
from libs.persistence.pages import Listed, Page, unknown_cursor
from libs.persistence.slow_reads import SlowReads
from libs.persistence.stored_responses import write_once
from libs.persistence.writes import Write
from services.earning.domain.program_dates import DatesPreview, preview_dates
from services.earning.domain.program_previews import ProgramPreview, lifetime_bounds, preview
from services.earning.domain.program_warnings import find_warnings
from services.earning.domain.programs import (
    Program,
    ProgramVersion,
    StorePrograms,
    Tier,
    program_id,
)
from services.earning.store import clock, customers
from services.earning.store import programs as programs_db

_NO_PROGRAM: Final = "There is no such loyalty program in this store."


class ProgramView(Struct, frozen=True):
    """A program, whether it is the store's default, and the warnings about the change that was made."""

    program: Program
    is_default: bool
    warnings: Sequence[api.SettingWarning] = ()


Render = Callable[[ProgramView], StoredResponse]


async def list_programs(engine: AsyncEngine, store_id: str, page: Page) -> Listed[ProgramView]:
    """A page of the store's programs, oldest first.

    Raises InvalidRequest if `starting_after` is not a program of the store.
    """
    store_programs = await _read(engine, store_id)
    programs = [_view(store_programs, program) for program in store_programs.all]
    start = 0
    if page.starting_after is not None:
        ids = [program_id(view.program.id) for view in programs]
        if page.starting_after not in ids:
            raise unknown_cursor("a program")
        start = ids.index(page.starting_after) + 1
    end = start + page.limit
    return Listed(programs[start:end], has_more=len(programs) > end, counted=len(programs))


async def get_program(engine: AsyncEngine, store_id: str, program_id: str) -> ProgramView:
    """One program of the store; raises NotFound."""
    programs = await _read(engine, store_id)
    return _view(programs, _find(programs, program_id))


async def find_default(engine: AsyncEngine, store_id: str) -> Program | None:
    """The store's default program, if one is active."""
    return (await _read(engine, store_id)).default


async def list_versions(
    engine: AsyncEngine, store_id: str, program_id: str, page: Page
) -> Listed[ProgramVersion]:
    """A page of the program's versions, newest first; the cursor is a version number.

    Raises NotFound, or InvalidRequest if `starting_after` is not a version of the program.
    """
    program = _find(await _read(engine, store_id), program_id)
    # Versions are numbered without a gap, so that the current number is their count.
    before = program.version + 1
    if page.starting_after is not None:
        if not re.fullmatch("[1-9][0-9]{0,8}", page.starting_after):
            raise unknown_cursor("a version")
        before = int(page.starting_after)
        if before > program.version:
            raise unknown_cursor("a version")
    async with transaction(engine) as connection:
        versions = await programs_db.read_versions(
            connection, program.id, before=before, limit=page.limit
        )
    return Listed(versions, has_more=before - page.limit > 1, counted=program.version)


async def preview_program(
    reads: SlowReads, store_id: str, program_id: str, patch: program_api.ProgramPatch
) -> tuple[ProgramPreview, DatesPreview | None]:
    """What the patched values would mean for orders and customers, and in dates. Raises NotFound, or
    Conflict for another version."""
    async with reads.snapshot(store_id) as connection:
        by_store = await programs_db.read(connection, [store_id])
        programs = by_store.get(store_id, StorePrograms())
        before = _find(programs, program_id)
        after = _patched(before, patch)
        counts = await customers.count_by_lifetime(
            connection, store_id, lifetime_bounds(before, after)
        )
        now = await clock.read_now(connection, [store_id])
    dates = preview_dates(programs, _replaced(programs, before, after), after, now[store_id])
    return preview(before, after, counts), dates


async def preview_new_program(
    reads: SlowReads, store_id: str, request: program_api.ProgramCreate
) -> tuple[ProgramPreview, DatesPreview | None]:
    """What a new program would mean for orders and customers, and in dates. Customers have its tiers only if it
    would be the store's default."""
    async with reads.snapshot(store_id) as connection:
        by_store = await programs_db.read(connection, [store_id])
        programs = by_store.get(store_id, StorePrograms())
        now = (await clock.read_now(connection, [store_id]))[store_id]
        program = _new_program(programs, request, now)
        before = msgspec.structs.replace(program, is_active=False, tiers=())
        after = StorePrograms((*programs.all, program))
        counts = {}
        if after.default is program:
            bounds = lifetime_bounds(before, program)
            counts = await customers.count_by_lifetime(connection, store_id, bounds)
    return preview(before, program, counts), preview_dates(programs, after, program, now)


async def create_program(
    engine: AsyncEngine, write: Write[program_api.ProgramCreate], render: Render
) -> StoredResponse:
    """Add a program to the store. Raises IdempotencyKeyReused."""

    async def insert(connection: Connection) -> StoredResponse:
        before = await programs_db.lock_for_change(connection, write.store_id)
        now = await clock.read_now(connection, [write.store_id])
        program = _new_program(before, write.body, now[write.store_id])
        await programs_db.create(
            connection, write.store_id, program, changed_by=write.caller.key_name
        )
        return render(_changed(StorePrograms((*before.all, program)), program, write.body))

    return await write_once(engine, write.claim, insert)


def _new_program(
    programs: StorePrograms, request: program_api.ProgramCreate, now: datetime
) -> Program:
    return Program(
        # Programs are in the order of their ids, so an id has the time of the store's clock.
        id=UUID(shifted_id(uuid7_text(), programs.clock_shift)),
        version_id=0,
        name=request.name,
        points_per_dollar=request.points_per_dollar,
        currency=request.currency,
        is_active=request.is_active,
        tiers=_tiers(request.tiers),
        created_at=now,
        keep_items=request.keep_items,
        **_lifecycle(request),
    )


async def change_program(
    engine: AsyncEngine, write: Write[program_api.ProgramPatch], program_id: str, render: Render
) -> StoredResponse:
    """Add a version of the program with the patched values. Raises NotFound, IdempotencyKeyReused, or
    Conflict for another version."""

    async def update(connection: Connection) -> StoredResponse:
        before = await programs_db.lock_for_change(connection, write.store_id)
        current = _find(before, program_id)
        program = _patched(current, write.body)
        await programs_db.add_version(
            connection, write.store_id, program, changed_by=write.caller.key_name
        )
        return render(_changed(_replaced(before, current, program), program, write.body))

    return await write_once(engine, write.claim, update)


def _view(programs: StorePrograms, program: Program) -> ProgramView:
    return ProgramView(program, is_default=program is programs.default)


def _changed(
    programs: StorePrograms,
    program: Program,
    request: program_api.ProgramCreate | program_api.ProgramPatch,
) -> ProgramView:
    """The program after a change of the store's `programs`."""
    warnings = find_warnings(request, program, programs)
    return ProgramView(program, is_default=program is programs.default, warnings=warnings)


def _replaced(programs: StorePrograms, before: Program, after: Program) -> StorePrograms:
    """The store's programs once `after` has replaced `before`."""
    return StorePrograms(tuple(after if each is before else each for each in programs.all))


def _patched(program: Program, patch: program_api.ProgramPatch) -> Program:
    """The next version of the program. Raises Conflict if the patch is for another one."""
    require_version(None if patch.version is UNSET else patch.version, program.version)
    changes: dict[str, Any] = {
        field: value
        for field in ("name", "points_per_dollar", "is_active", "currency", "keep_items")
        if (value := getattr(patch, field)) is not UNSET
    }
    if patch.tiers is not UNSET:
        # null removes all tiers.
        changes["tiers"] = _tiers(patch.tiers or [])
    changes |= _lifecycle(patch)
    return msgspec.structs.replace(program, version=program.version + 1, **changes)


def _lifecycle(request: program_api.ProgramCreate | program_api.ProgramPatch) -> dict[str, Any]:
    """The settings of expiry and pending points that the request names; null removes one."""
    settings: dict[str, Any] = {
        name: value
        for name in ("time_zone", "expiry", "remind_days", "pending")
        if (value := getattr(request, name)) is not UNSET
    }
    if settings.get("remind_days") is not None:
        settings["remind_days"] = tuple(settings["remind_days"])
    return settings


def _tiers(inputs: list[program_api.TierInput]) -> tuple[Tier, ...]:
    """The tiers, sorted by min_points."""
    tiers = [
        Tier(
            name=tier.name,
            min_points=tier.min_points,
            multiplier=tier.multiplier,
            perks=None if tier.perks is None else tuple(tier.perks),
        )
        for tier in inputs
    ]
    return tuple(sorted(tiers, key=lambda tier: tier.min_points))


async def _read(engine: AsyncEngine, store_id: str) -> StorePrograms:
    async with transaction(engine) as connection:
        programs = await programs_db.read(connection, [store_id])
    return programs.get(store_id, StorePrograms())


def _find(programs: StorePrograms, program_id: str) -> Program:
    program = programs.find(parse_id("loy", program_id))
    if program is None:
        raise NotFound(_NO_PROGRAM)
    return program
