"""Programs in PostgreSQL: the versions in force for a batch, and changes to them.

A posting holds its stores' locks in shared mode, a change of a program in exclusive mode. So a
posting is priced by the version in force when it commits, and neither side starves the other.
"""

from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Final, TypeVar
from uuid import UUID

import asyncpg
import msgspec

from libs.contracts.lifecycle import Expiry, Pending
from libs.persistence.engine import Connection
from services.earning.domain.programs import Program, ProgramVersion, StorePrograms, Tier
from services.earning.store import clock, forecasts, store_visits

# The first key of the two-part advisory lock: each purpose has its own.
_LOCK_SPACE: Final = 1

_LOCK_SHARED: Final = """
SELECT pg_advisory_xact_lock_shared($1, key)
FROM (SELECT DISTINCT hashtext(store_id) AS key FROM unnest($2::text[]) AS store_id ORDER BY 1) AS stores
"""
_LOCK_EXCLUSIVE: Final = "SELECT pg_advisory_xact_lock($1, hashtext($2))"
# A store without a program may have a clock that was moved: its row then has no program.
_READ: Final = """
SELECT p.id, stores.id AS store_id, p.created_at, v.id AS version_id, v.version, v.name, v.points_per_dollar,
       v.currency, v.is_active, v.tiers::text AS tiers, v.time_zone, v.expiry::text AS expiry,
       v.remind_days::text AS remind_days, v.pending::text AS pending, p.has_lifecycle, v.keep_items,
       c.shift_ms
FROM unnest($1::text[]) AS stores (id)
LEFT JOIN store_clocks c ON c.store_id = stores.id
LEFT JOIN programs p ON p.store_id = stores.id
LEFT JOIN program_versions v ON v.id = p.version_id
WHERE p.id IS NOT NULL OR c.shift_ms IS NOT NULL
ORDER BY p.id
"""
_INSERT_VERSION: Final = """
INSERT INTO program_versions (program_id, version, name, points_per_dollar, currency, is_active, tiers,
                              created_at, changed_by, keep_items, time_zone, expiry, remind_days, pending)
VALUES ($1, $2, $3, $4, $5, $6, $7::text::jsonb, $8, $9, $10, $11, $12::text::jsonb, $13::text::jsonb,
        $14::text::jsonb)
RETURNING id
"""
_READ_VERSIONS: Final = """
SELECT p.id, p.created_at, v.id AS version_id, v.version, v.name, v.points_per_dollar, v.currency,
       v.is_active, v.tiers::text AS tiers, v.time_zone, v.expiry::text AS expiry,
       v.remind_days::text AS remind_days, v.pending::text AS pending, p.has_lifecycle, v.keep_items, v.changed_by,
       v.created_at AS changed_at
FROM program_versions v JOIN programs p ON p.id = v.program_id
WHERE v.program_id = $1 AND v.version < $2
ORDER BY v.version DESC LIMIT $3
"""
_INSERT_PROGRAM: Final = (
    "INSERT INTO programs (id, store_id, version_id, created_at) VALUES ($1, $2, 0, $3)"
)
_SET_VERSION: Final = """
UPDATE programs SET version_id = $2, has_lifecycle = has_lifecycle OR $3 WHERE id = $1
"""
_decode_tiers: Final = msgspec.json.Decoder(tuple[Tier, ...]).decode
_encode_tiers: Final = msgspec.json.Encoder(decimal_format="number").encode
_decode_expiry: Final = msgspec.json.Decoder(Expiry).decode
_decode_remind_days: Final = msgspec.json.Decoder(tuple[int, ...]).decode
_decode_pending: Final = msgspec.json.Decoder(Pending).decode

T = TypeVar("T")


async def lock_and_read(
    connection: Connection, store_ids: Iterable[str]
) -> dict[str, StorePrograms]:
    """Share the stores' locks until the commit, and read their programs: no change can commit before."""
    stores = list(store_ids)
    await connection.fetch(_LOCK_SHARED, _LOCK_SPACE, stores)
    return await read(connection, stores)


async def lock_for_change(connection: Connection, store_id: str) -> StorePrograms:
    """Take the store's lock, and read its programs: no posting and no other change runs meanwhile."""
    await connection.fetch(_LOCK_EXCLUSIVE, _LOCK_SPACE, store_id)
    return (await read(connection, [store_id])).get(store_id, StorePrograms())


async def read(connection: Connection, store_ids: list[str]) -> dict[str, StorePrograms]:
    """The current version of every program of the stores, oldest first."""
    by_store: dict[str, list[Program]] = {}
    shifts: dict[str, timedelta] = {}
    for row in await connection.fetch(_READ, store_ids):
        programs = by_store.setdefault(row["store_id"], [])
        if row["id"] is not None:
            programs.append(_program(row))
        if row["shift_ms"] is not None:
            shifts[row["store_id"]] = timedelta(milliseconds=row["shift_ms"])
    return {
        store_id: StorePrograms(tuple(programs), shifts.get(store_id, timedelta(0)))
        for store_id, programs in by_store.items()
    }


def _program(row: asyncpg.Record) -> Program:
    return Program(
        id=row["id"],
        version_id=row["version_id"],
        name=row["name"],
        points_per_dollar=row["points_per_dollar"],
        currency=row["currency"],
        is_active=row["is_active"],
        tiers=_decode_tiers(row["tiers"]),
        created_at=row["created_at"],
        version=row["version"],
        keep_items=row["keep_items"],
        time_zone=row["time_zone"],
        expiry=_decode(row["expiry"], _decode_expiry),
        remind_days=_decode(row["remind_days"], _decode_remind_days),
        pending=_decode(row["pending"], _decode_pending),
        has_lifecycle=row["has_lifecycle"],
    )


def _decode(text: str | None, decode: Callable[[str], T]) -> T | None:
    return None if text is None else decode(text)


def _encode(setting: object) -> str | None:
    return None if setting is None else msgspec.json.encode(setting).decode()


async def read_versions(
    connection: Connection, program_id: UUID, *, before: int, limit: int
) -> list[ProgramVersion]:
    """Up to `limit` versions of the program before the version `before`, newest first."""
    rows = await connection.fetch(_READ_VERSIONS, program_id, before, limit)
    return [ProgramVersion(_program(row), row["changed_by"], row["changed_at"]) for row in rows]


async def create(
    connection: Connection, store_id: str, program: Program, *, changed_by: str
) -> None:
    """Add a program and its first version; `changed_by` is the name of the key."""
    await connection.execute(_INSERT_PROGRAM, program.id, store_id, program.created_at)
    await add_version(connection, store_id, program, changed_by=changed_by)


async def add_version(
    connection: Connection, store_id: str, program: Program, *, changed_by: str
) -> None:
    """Add `program` as the version in force from now on; earlier versions are kept. Its `version` must
    follow the newest one, which cannot change while the caller holds the store's lock."""
    now = await clock.read_now(connection, [store_id])
    version_id = await connection.fetchval(
        _INSERT_VERSION,
        program.id,
        program.version,
        program.name,
        program.points_per_dollar,
        program.currency,
        program.is_active,
        _encode_tiers(program.tiers).decode(),
        now[store_id],
        changed_by,
        program.keep_items,
        program.time_zone,
        _encode(program.expiry),
        _encode(program.remind_days),
        _encode(program.pending),
    )
    has_lifecycle = program.expiry is not None or program.pending is not None
    await connection.execute(_SET_VERSION, program.id, version_id, has_lifecycle)
    await store_visits.plan(connection, store_id)
    await forecasts.start_over(connection, store_id)
