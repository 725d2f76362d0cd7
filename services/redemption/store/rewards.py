"""Redemption's copy of the rewards: a projection of the topic catalog.reward."""

from collections.abc import Collection, Iterable
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from msgspec import Struct

from libs.contracts.events import RewardChanged
from libs.kernel.clock import parse_time
from libs.persistence.engine import Connection
from libs.persistence.pages import COUNT_LIMIT, Listed
from services.redemption.domain.desk import CustomerKey
from services.redemption.domain.rewards import Reward, RewardKey

_USAGE_BY_CUSTOMER: Final = """
SELECT r.store_id, r.reward_id, r.customer_id, count(*) AS in_use
FROM unnest($1::text[], $2::text[], $3::text[]) AS wanted (store_id, reward_id, customer_id)
JOIN redemptions r USING (store_id, customer_id, reward_id)
WHERE r.status NOT IN ('released', 'cancelled')
GROUP BY 1, 2, 3
"""
# The part of `find_refusal` in domain/rewards.py that is the same for every customer, in SQL: a page
# costs the same however many rewards the store has. $2 is the time, or null for all rewards.
_LISTED: Final = """
FROM rewards r LEFT JOIN usage u USING (store_id, reward_id)
WHERE r.store_id = $1 AND NOT r.deleted
  AND ($2::timestamptz IS NULL OR (
       r.is_active AND (r.starts_at IS NULL OR r.starts_at <= $2)
       AND (r.ends_at IS NULL OR r.ends_at > $2)
       AND (r.stock IS NULL OR r.stock > coalesce(u.taken, 0))))
"""
_PAGE: Final = f"""
SELECT r.*, coalesce(u.taken, 0) AS in_use {_LISTED}
  AND ($3::timestamptz IS NULL OR (r.created_at, r.reward_id) > ($3, $4))
ORDER BY r.created_at, r.reward_id LIMIT $5
"""
_COUNT: Final = f"SELECT count(*) FROM (SELECT {_LISTED} LIMIT $3) counted"  # noqa: S608  constants alone
_CREATED_AT: Final = "SELECT created_at FROM rewards WHERE store_id = $1 AND reward_id = $2"
# Rows are locked in one order, so that batches of several processes cannot deadlock.
_WRITE: Final = """
INSERT INTO rewards AS r (store_id, reward_id, version, name, points_cost, type, is_active, deleted,
                          stock, per_customer_limit, starts_at, ends_at, min_tier, created_at, shown)
SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::bigint[], $6::text[],
                     $7::boolean[], $8::boolean[], $9::bigint[], $10::bigint[], $11::timestamptz[],
                     $12::timestamptz[], $13::text[], $14::timestamptz[], $15::bytea[])
ORDER BY 1, 2
ON CONFLICT (store_id, reward_id) DO UPDATE
SET version = excluded.version, name = excluded.name, points_cost = excluded.points_cost,
    type = excluded.type, is_active = excluded.is_active, deleted = excluded.deleted,
    stock = excluded.stock, per_customer_limit = excluded.per_customer_limit,
    starts_at = excluded.starts_at, ends_at = excluded.ends_at, min_tier = excluded.min_tier,
    created_at = excluded.created_at, shown = excluded.shown
WHERE r.version < excluded.version
"""
_event: Final = msgspec.json.Decoder(RewardChanged)


class RewardUsage(Struct, frozen=True):
    """A reward, and how many redemptions count against its stock."""

    reward: Reward
    in_use: int


async def read_usage_by_customer(
    connection: Connection, keys: Collection[CustomerKey]
) -> dict[CustomerKey, int]:
    """How many of a reward a customer has in use."""
    if not keys:
        return {}
    columns = [[key[column] for key in keys] for column in range(3)]
    rows = await connection.fetch(_USAGE_BY_CUSTOMER, *columns)
    return {(row["store_id"], row["reward_id"], row["customer_id"]): row["in_use"] for row in rows}


async def read_page(
    connection: Connection,
    store_id: str,
    *,
    at: datetime | None,
    after: tuple[datetime, str] | None,
    limit: int,
) -> Listed[RewardUsage]:
    """Up to `limit` rewards of the store behind the position `after`, oldest first: those that are
    available `at` a time, or all with None."""
    rows = await connection.fetch(_PAGE, store_id, at, *(after or (None, None)), limit + 1)
    counted: int = await connection.fetchval(_COUNT, store_id, at, COUNT_LIMIT + 1)
    items = [RewardUsage(from_row(row), row["in_use"]) for row in rows[:limit]]
    return Listed(items, has_more=len(rows) > limit, counted=counted)


async def find_position(
    connection: Connection, store_id: str, reward_id: str
) -> tuple[datetime, str] | None:
    """The position of the reward in lists, also that of a deleted one; None for an unknown one."""
    created_at = await connection.fetchval(_CREATED_AT, store_id, reward_id)
    return None if created_at is None else (created_at, reward_id)


async def write(connection: Connection, events: Iterable[RewardChanged]) -> None:
    """Write the versions that are newer than the stored ones."""
    newest: dict[RewardKey, RewardChanged] = {}
    for event in events:
        key = event.store_id, event.id
        if key not in newest or newest[key].version < event.version:
            newest[key] = event
    if newest:
        await connection.execute(_WRITE, *zip(*map(_to_row, newest.values()), strict=True))


async def delete_all(connection: Connection) -> None:
    """Delete every reward, before the topic is read from its start."""
    await connection.execute("DELETE FROM rewards")


def _to_row(event: RewardChanged) -> tuple[object, ...]:
    return (
        event.store_id,
        event.id,
        event.version,
        event.name,
        event.points_cost,
        event.type,
        event.is_active,
        event.deleted,
        event.stock,
        event.per_customer_limit,
        _parse(event.starts_at),
        _parse(event.ends_at),
        event.min_tier,
        _parse(event.created_at),
        msgspec.json.encode(event),
    )


def _parse(text: str | None) -> datetime | None:
    return None if text is None else parse_time(text)


def from_row(row: Any) -> Reward:
    return Reward(
        store_id=row["store_id"],
        reward_id=row["reward_id"],
        version=row["version"],
        name=row["name"],
        points_cost=row["points_cost"],
        type=row["type"],
        is_active=row["is_active"],
        deleted=row["deleted"],
        stock=row["stock"],
        per_customer_limit=row["per_customer_limit"],
        starts_at=_in_utc(row["starts_at"]),
        ends_at=_in_utc(row["ends_at"]),
        min_tier=row["min_tier"],
        created_at=row["created_at"].astimezone(UTC),
        event=_event.decode(row["shown"]),
    )


def _in_utc(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.astimezone(UTC)
