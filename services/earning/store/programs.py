"""Programs in PostgreSQL: the versions in force for a batch, and changes to them.

A posting holds its stores' locks in shared mode, a change of a program in exclusive mode. So a
posting is priced by the version in force when it commits, and neither side starves the other.
"""

from collections.abc import Iterable
from typing import Final

import asyncpg
import msgspec

from libs.persistence.engine import Connection
from services.earning.domain.programs import Program, StorePrograms, Tier

# The first key of the two-part advisory lock: each purpose has its own.
_LOCK_SPACE: Final = 1

_LOCK_SHARED: Final = """
SELECT pg_advisory_xact_lock_shared($1, key)
FROM (SELECT DISTINCT hashtext(store_id) AS key FROM unnest($2::text[]) AS store_id ORDER BY 1) AS stores
"""
_LOCK_EXCLUSIVE: Final = "SELECT pg_advisory_xact_lock($1, hashtext($2))"
_READ: Final = """
SELECT p.id, p.store_id, p.created_at, v.id AS version_id, v.version, v.name, v.points_per_dollar,
       v.currency, v.is_active, v.tiers::text AS tiers
FROM programs p JOIN program_versions v ON v.id = p.version_id
WHERE p.store_id = ANY($1)
ORDER BY p.id
"""
_INSERT_VERSION: Final = """
INSERT INTO program_versions (program_id, version, name, points_per_dollar, currency, is_active, tiers, created_at)
SELECT $1, coalesce(max(version), 0) + 1, $2, $3, $4, $5, $6::text::jsonb, now()
FROM program_versions WHERE program_id = $1
RETURNING id
"""
_INSERT_PROGRAM: Final = (
    "INSERT INTO programs (id, store_id, version_id, created_at) VALUES ($1, $2, 0, $3)"
)
_SET_VERSION: Final = "UPDATE programs SET version_id = $2 WHERE id = $1"
_decode_tiers: Final = msgspec.json.Decoder(tuple[Tier, ...]).decode
_encode_tiers: Final = msgspec.json.Encoder(decimal_format="number").encode


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
    for row in await connection.fetch(_READ, store_ids):
        by_store.setdefault(row["store_id"], []).append(_program(row))
    return {store_id: StorePrograms(tuple(programs)) for store_id, programs in by_store.items()}


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
    )


async def create(connection: Connection, store_id: str, program: Program) -> None:
    """Add a program and its first version."""
    await connection.execute(_INSERT_PROGRAM, program.id, store_id, program.created_at)
    await add_version(connection, program)


async def add_version(connection: Connection, program: Program) -> None:
    """Add `program` as the version in force from now on; earlier versions are kept."""
    version_id = await connection.fetchval(
        _INSERT_VERSION,
        program.id,
        program.name,
        program.points_per_dollar,
        program.currency,
        program.is_active,
        _encode_tiers(program.tiers).decode(),
    )
    await connection.execute(_SET_VERSION, program.id, version_id)
