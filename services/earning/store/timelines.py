"""The timelines of stores in PostgreSQL: all versions of their programs, read once per process."""

from collections.abc import Iterable, Mapping
from datetime import UTC
from typing import Final
from uuid import UUID

import asyncpg
import msgspec

from libs.contracts.lifecycle import Expiry, Pending
from libs.persistence.engine import Connection
from services.earning.domain.expiry import Epoch
from services.earning.domain.programs import StorePrograms
from services.earning.domain.timelines import SettingsVersion, Timeline, build_epochs
from services.earning.store import clock

# In the order in which they were made: a change of a program holds its store's lock.
_READ: Final = """
SELECT v.id, v.program_id, v.created_at, v.is_active, v.time_zone, v.expiry::text AS expiry,
       v.remind_days::text AS remind_days, v.pending::text AS pending
FROM program_versions v JOIN programs p ON p.id = v.program_id
WHERE p.store_id = $1
ORDER BY v.id
"""
_decode_expiry: Final = msgspec.json.Decoder(Expiry).decode
_decode_remind_days: Final = msgspec.json.Decoder(tuple[int, ...]).decode
_decode_pending: Final = msgspec.json.Decoder(Pending).decode

# The current versions of a store's programs. Versions are never changed, so they imply all earlier ones.
_Versions = tuple[tuple[UUID, int], ...]
_CACHED_STORES: Final = 10_000
_epochs: Final[dict[_Versions, tuple[Epoch, ...]]] = {}


async def read(
    connection: Connection, stores: Iterable[str], programs: Mapping[str, StorePrograms]
) -> dict[str, Timeline]:
    """The timeline of each store, whose `programs` are in force."""
    now = await clock.read_now(connection, stores)
    return {
        store_id: Timeline(
            await _read_epochs(connection, store_id, programs.get(store_id, StorePrograms())),
            now[store_id],
        )
        for store_id in now
    }


async def _read_epochs(
    connection: Connection, store_id: str, programs: StorePrograms
) -> tuple[Epoch, ...]:
    key = tuple((program.id, program.version_id) for program in programs.all)
    epochs = _epochs.get(key)
    if epochs is None:
        if len(_epochs) >= _CACHED_STORES:
            _epochs.clear()
        versions = await read_versions(connection, store_id)
        # Without a snapshot, there may be a version that is newer than `programs`.
        newest = max((version_id for _, version_id in key), default=0)
        epochs = _epochs[key] = build_epochs(each for each in versions if each.id <= newest)
    return epochs


async def read_versions(connection: Connection, store_id: str) -> list[SettingsVersion]:
    """What all versions of the store's programs say about dates, in the order in which they were made."""
    return [_version(row) for row in await connection.fetch(_READ, store_id)]


def _version(row: asyncpg.Record) -> SettingsVersion:
    expiry, remind_days, pending = row["expiry"], row["remind_days"], row["pending"]
    return SettingsVersion(
        id=row["id"],
        program_id=row["program_id"],
        at=row["created_at"].astimezone(UTC),
        is_active=row["is_active"],
        time_zone=row["time_zone"],
        expiry=None if expiry is None else _decode_expiry(expiry),
        remind_days=None if remind_days is None else _decode_remind_days(remind_days),
        pending=None if pending is None else _decode_pending(pending),
    )
