"""Programmes: create, change, read."""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Final

import msgspec
from msgspec import UNSET
from sqlalchemy.ext.asyncio import AsyncEngine

from libs.contracts import api
from libs.kernel.errors import Fault, InvalidRequest, NotFound
from libs.kernel.ids import parse_id, uuid7
from libs.persistence.engine import Connection, transaction
from libs.persistence.idempotency import Claim, StoredResponse, write_once
from libs.persistence.pages import Listed, Page
from services.earning.domain.programs import Program, StorePrograms, Tier
from services.earning.handlers import render
from services.earning.store import programs as store

_NOT_FOUND: Final = "There is no such loyalty program in this store."


class ProgramChange(msgspec.Struct, frozen=True):
    """A write to a store's programmes: `apply` makes the version to add of those there are."""

    store_id: str
    apply: Callable[[StorePrograms], Program]
    status: int
    claim: Claim | None = None


async def list_programs(engine: AsyncEngine, store_id: str) -> StorePrograms:
    """The store's programmes, oldest first."""
    async with transaction(engine) as connection:
        found = await store.read(connection, [store_id])
    return found.get(store_id, StorePrograms())


def page_of(found: StorePrograms, page: Page) -> Listed[Program]:
    """The page of the store's programs.

    Raises InvalidRequest where `starting_after` is not a program of the store.
    """
    start = 0
    starting_after = page.starting_after
    if starting_after is not None:
        ids = [render.program_id(program.id) for program in found.all]
        if starting_after not in ids:
            fault = Fault(detail=_NOT_FOUND, parameter="starting_after")
            raise InvalidRequest(_NOT_FOUND, errors=[fault])
        start = ids.index(starting_after) + 1
    end = start + page.limit
    return Listed(found.all[start:end], has_more=len(found.all) > end, counted=len(found.all))


async def get_program(engine: AsyncEngine, store_id: str, program_id: str) -> Program:
    """One programme; raises NotFound."""
    return _find(await list_programs(engine, store_id), program_id)


async def change(engine: AsyncEngine, wanted: ProgramChange) -> StoredResponse:
    """Carry out a change once per idempotency key; answers it, and whether it is a replay."""
    return await write_once(engine, wanted.claim, partial(_change, wanted))


async def _change(wanted: ProgramChange, connection: Connection) -> StoredResponse:
    present = await store.lock_for_change(connection, wanted.store_id)
    program = wanted.apply(present)
    if present.find(program.id) is None:
        await store.create(connection, wanted.store_id, program)
    else:
        await store.add_version(connection, program)
    return StoredResponse(wanted.status, api.encode(render.program(program)))


def creation(request: api.ProgramCreate, *, now: datetime) -> Callable[[StorePrograms], Program]:
    """A new programme as `request` has it."""
    program = Program(
        id=uuid7(),
        version_id=0,
        name=request.name,
        points_per_dollar=request.points_per_dollar,
        currency=request.currency,
        is_active=request.is_active,
        tiers=tiers_of(request.tiers),
        created_at=now,
    )
    return lambda _present: program


def patch(program_id: str, request: api.ProgramPatch) -> Callable[[StorePrograms], Program]:
    """The programme with what `request` names replaced; null tiers are no tiers."""

    def apply(present: StorePrograms) -> Program:
        program = _find(present, program_id)
        named: dict[str, str | Decimal | bool | tuple[Tier, ...]] = {
            field: value
            for field in ("name", "points_per_dollar", "is_active", "currency")
            if (value := getattr(request, field)) is not UNSET
        }
        if request.tiers is not UNSET:
            named["tiers"] = tiers_of(request.tiers or [])
        return msgspec.structs.replace(program, **named)

    return apply


def tiers_of(asked: list[api.TierInput]) -> tuple[Tier, ...]:
    """The tiers in the order they are climbed."""
    tiers = [
        Tier(
            name=tier.name,
            min_points=tier.min_points,
            multiplier=tier.multiplier,
            perks=None if tier.perks is None else tuple(tier.perks),
        )
        for tier in asked
    ]
    return tuple(sorted(tiers, key=lambda tier: tier.min_points))


def _find(present: StorePrograms, program_id: str) -> Program:
    program = present.find(parse_id("loy", program_id))
    if program is None:
        raise NotFound(_NOT_FOUND)
    return program
