"""Catalog in PostgreSQL: rewards and their versions, the pages of a store, and how many are in use."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

import asyncpg
import msgspec
from msgspec import Struct
from sqlalchemy import ColumnElement, Select, func, or_, select
from sqlalchemy.dialects.postgresql import insert

from libs.persistence.engine import Connection
from libs.persistence.pages import COUNT_LIMIT, Listed
from libs.persistence.statement import fetch
from services.catalog.domain import RecordedVersion, Reward, Value
from services.catalog.tables import reward_uses, reward_versions, rewards

_RAISE_REVISION: Final = """
INSERT INTO catalogs (store_id, revision) VALUES ($1, 1)
ON CONFLICT (store_id) DO UPDATE SET revision = catalogs.revision + 1
"""
_REVISIONS: Final = "SELECT store_id, revision FROM catalogs WHERE store_id = ANY($1)"
# Rows are locked in one order, so that batches of several processes cannot deadlock.
_COUNT: Final = """
WITH fresh AS (
    INSERT INTO counted_transactions (store_id, transaction_id)
    SELECT store_id, transaction_id FROM unnest($1::text[], $2::text[]) AS a (store_id, transaction_id)
    ORDER BY 1, 2
    ON CONFLICT DO NOTHING
    RETURNING store_id, transaction_id
), counted AS (
    INSERT INTO reward_uses (store_id, reward_id, in_use)
    SELECT store_id, reward_id, sum(change)
    FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[])
         AS a (store_id, transaction_id, reward_id, change)
    JOIN fresh USING (store_id, transaction_id)
    GROUP BY 1, 2
    ORDER BY 1, 2
    ON CONFLICT (store_id, reward_id) DO UPDATE SET in_use = reward_uses.in_use + excluded.in_use
    RETURNING store_id
)
INSERT INTO catalogs (store_id, revision)
SELECT DISTINCT store_id, 1 FROM counted ORDER BY 1
ON CONFLICT (store_id) DO UPDATE SET revision = catalogs.revision + 1
"""

_RECORD_VERSIONS: Final = """
INSERT INTO reward_versions (store_id, reward_id, version, reward, changed_by, changed_at)
SELECT $1, * FROM unnest($2::text[], $3::bigint[], $4::text[], $5::text[], $6::timestamptz[])
ON CONFLICT DO NOTHING
"""

_version_of: Final = msgspec.json.Decoder(Reward)
_metadata_of: Final = msgspec.json.Decoder(dict[str, str])

_in_use = func.coalesce(reward_uses.c.in_use, 0)
_with_usage: Final[Select[Any]] = select(rewards, _in_use.label("in_use")).join_from(
    rewards,
    reward_uses,
    (reward_uses.c.store_id == rewards.c.store_id) & (reward_uses.c.reward_id == rewards.c.id),
    isouter=True,
)


class UsageChange(Struct, frozen=True):
    """A ledger transaction that changes by `change` how many of a reward are in use."""

    store_id: str
    transaction_id: str
    reward_id: str
    change: int


async def lock(connection: Connection, store_id: str) -> None:
    """Raise the store's revision. Other changes of the store wait until this transaction ends."""
    await connection.execute(_RAISE_REVISION, store_id)


async def find(connection: Connection, store_id: str, reward_id: str) -> Reward | None:
    """The reward, also a deleted one, or None."""
    query = _with_usage.where(rewards.c.store_id == store_id, rewards.c.id == reward_id)
    rows = await fetch(connection, query)
    return _from_row(rows[0]) if rows else None


async def put(connection: Connection, store_id: str, reward: Reward) -> None:
    """Make `reward` the current version."""
    row = _to_row(store_id, reward)
    statement = insert(rewards).values(row)
    updates = {name: statement.excluded[name] for name in row.keys() - {"store_id", "id"}}
    await fetch(
        connection, statement.on_conflict_do_update(index_elements=["store_id", "id"], set_=updates)
    )


async def record_versions(
    connection: Connection, store_id: str, versions: Sequence[RecordedVersion]
) -> None:
    """Record versions, except those that are recorded already."""
    rows = [
        (
            version.reward.id,
            version.reward.version,
            # What is in use is no part of a version.
            msgspec.json.encode(msgspec.structs.replace(version.reward, in_use=0)).decode(),
            version.changed_by,
            version.changed_at,
        )
        for version in versions
    ]
    await connection.execute(_RECORD_VERSIONS, store_id, *zip(*rows, strict=True))


async def read_versions(
    connection: Connection, store_id: str, reward_id: str, *, before: int | None, limit: int
) -> Listed[RecordedVersion]:
    """Up to `limit` recorded versions of the reward that are older than `before`, newest first."""
    matching = select(reward_versions).where(
        reward_versions.c.store_id == store_id, reward_versions.c.reward_id == reward_id
    )
    page = matching.order_by(reward_versions.c.version.desc()).limit(limit + 1)
    if before is not None:
        page = page.where(reward_versions.c.version < before)
    rows = await fetch(connection, page)
    counted = matching.with_only_columns(reward_versions.c.version).limit(COUNT_LIMIT + 1)
    (total,) = await fetch(connection, select(func.count()).select_from(counted.subquery()))
    items = [
        RecordedVersion(
            reward=_version_of.decode(row["reward"]),
            changed_by=row["changed_by"],
            changed_at=_in_utc(row["changed_at"]),
        )
        for row in rows[:limit]
    ]
    return Listed(items, has_more=len(rows) > limit, counted=total[0])


async def count(connection: Connection, changes: Sequence[UsageChange]) -> None:
    """Count each transaction that was not counted before; no transaction may occur twice."""
    await connection.execute(
        _COUNT,
        [change.store_id for change in changes],
        [change.transaction_id for change in changes],
        [change.reward_id for change in changes],
        [change.change for change in changes],
    )


async def read_revisions(connection: Connection, store_ids: Sequence[str]) -> dict[str, int]:
    """The stores' revisions, without those of stores that never had a reward."""
    rows = await connection.fetch(_REVISIONS, store_ids)
    return {row["store_id"]: row["revision"] for row in rows}


async def find_position(connection: Connection, store_id: str, reward_id: str) -> int | None:
    """The position of the reward in lists, also that of a deleted one; None for an unknown one."""
    query = select(rewards.c.position).where(
        rewards.c.store_id == store_id, rewards.c.id == reward_id
    )
    rows = await fetch(connection, query)
    return rows[0]["position"] if rows else None


async def read_page(
    connection: Connection, store_id: str, *, at: datetime | None, after: int | None, limit: int
) -> Listed[Reward]:
    """Up to `limit` rewards of the store behind the position `after`, oldest first: those that are
    available `at` a time, or all with None."""
    matching = _with_usage.where(*_conditions(store_id, at))
    page = matching.order_by(rewards.c.position).limit(limit + 1)
    if after is not None:
        page = page.where(rewards.c.position > after)
    rows = await fetch(connection, page)
    counted = matching.with_only_columns(rewards.c.id).limit(COUNT_LIMIT + 1).subquery()
    (total,) = await fetch(connection, select(func.count()).select_from(counted))
    items = [_from_row(row) for row in rows[:limit]]
    return Listed(items, has_more=len(rows) > limit, counted=total[0])


async def find_next_change(
    connection: Connection, store_id: str, *, after: datetime
) -> datetime | None:
    """The next time at which a reward of the store starts or ends, or None."""
    starts, ends = rewards.c.starts_at, rewards.c.ends_at
    query = select(
        func.least(
            func.min(starts).filter(starts > after),
            func.min(ends).filter(ends > after),
        )
    ).where(rewards.c.store_id == store_id, rewards.c.deleted.is_(False))
    (row,) = await fetch(connection, query)
    next_change: datetime | None = row[0]
    return next_change


def _conditions(store_id: str, at: datetime | None) -> list[ColumnElement[bool]]:
    conditions = [rewards.c.store_id == store_id, rewards.c.deleted.is_(False)]
    if at is None:
        return conditions
    return [
        *conditions,
        rewards.c.is_active,
        or_(rewards.c.starts_at.is_(None), rewards.c.starts_at <= at),
        or_(rewards.c.ends_at.is_(None), rewards.c.ends_at > at),
        or_(rewards.c.stock.is_(None), rewards.c.stock > func.greatest(_in_use, 0)),
    ]


def _to_row(store_id: str, reward: Reward) -> dict[str, object]:
    value = reward.value or Value()
    return {
        "store_id": store_id,
        "id": reward.id,
        "version": reward.version,
        "name": reward.name,
        "points_cost": reward.points_cost,
        "type": reward.type,
        "is_active": reward.is_active,
        "created_at": reward.created_at,
        "description": reward.description,
        "value_amount": value.amount,
        "value_currency": value.currency,
        "value_percent": value.percent,
        "stock": reward.stock,
        "per_customer_limit": reward.per_customer_limit,
        "starts_at": reward.starts_at,
        "ends_at": reward.ends_at,
        "min_tier": reward.min_tier,
        "image_url": reward.image_url,
        "metadata": None
        if reward.metadata is None
        else msgspec.json.encode(reward.metadata).decode(),
        "deleted": reward.deleted,
    }


def _from_row(row: asyncpg.Record) -> Reward:
    return Reward(
        id=row["id"],
        version=row["version"],
        name=row["name"],
        points_cost=row["points_cost"],
        type=row["type"],
        is_active=row["is_active"],
        created_at=row["created_at"],
        description=row["description"],
        value=_value(row),
        stock=row["stock"],
        per_customer_limit=row["per_customer_limit"],
        starts_at=_in_utc(row["starts_at"]),
        ends_at=_in_utc(row["ends_at"]),
        min_tier=row["min_tier"],
        image_url=row["image_url"],
        metadata=None if row["metadata"] is None else _metadata_of.decode(row["metadata"]),
        deleted=row["deleted"],
        in_use=row["in_use"],
    )


def _in_utc(time: datetime | None) -> datetime | None:
    """The driver reads the earliest time that there is without a time zone."""
    return None if time is None else time.replace(tzinfo=UTC)


def _value(row: asyncpg.Record) -> Value | None:
    value = Value(
        amount=row["value_amount"], currency=row["value_currency"], percent=row["value_percent"]
    )
    return None if value == Value() else value
