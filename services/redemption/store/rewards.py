"""The rewards as catalog.reward told them."""

from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from libs.contracts.events import RewardChanged
from libs.kernel.clock import parse_time
from libs.persistence.engine import Connection
from services.redemption.domain.rewards import Reward, RewardKey

_READ: Final = """
SELECT r.* FROM unnest($1::text[], $2::text[]) AS asked (store_id, reward_id)
JOIN rewards r USING (store_id, reward_id)
"""
_READ_STORE: Final = """
SELECT r.*, coalesce(u.taken, 0) AS taken
FROM rewards r LEFT JOIN usage u USING (store_id, reward_id)
WHERE r.store_id = $1 AND NOT r.deleted
ORDER BY r.created_at, r.reward_id
"""
_KEEP: Final = """
INSERT INTO rewards AS r (store_id, reward_id, version, name, points_cost, type, is_active, deleted,
                          stock, per_customer_limit, starts_at, ends_at, min_tier, created_at, shown)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
ON CONFLICT (store_id, reward_id) DO UPDATE
SET version = excluded.version, name = excluded.name, points_cost = excluded.points_cost,
    type = excluded.type, is_active = excluded.is_active, deleted = excluded.deleted,
    stock = excluded.stock, per_customer_limit = excluded.per_customer_limit,
    starts_at = excluded.starts_at, ends_at = excluded.ends_at, min_tier = excluded.min_tier,
    created_at = excluded.created_at, shown = excluded.shown
WHERE r.version < excluded.version
"""
_shown: Final = msgspec.json.Decoder(RewardChanged)


async def read(connection: Connection, keys: Collection[RewardKey]) -> dict[RewardKey, Reward]:
    """The rewards of `keys` that are known."""
    if not keys:
        return {}
    rows = await connection.fetch(_READ, [key[0] for key in keys], [key[1] for key in keys])
    found = [_reward(row) for row in rows]
    return {reward.key: reward for reward in found}


async def read_store(connection: Connection, store_id: str) -> Sequence[tuple[Reward, int]]:
    """The store's rewards, oldest first, each with how much of it is in use."""
    rows = await connection.fetch(_READ_STORE, store_id)
    return [(_reward(row), row["taken"]) for row in rows]


async def keep(connection: Connection, events: Iterable[RewardChanged]) -> None:
    """Keep the versions that are newer than what is known."""
    newest: dict[RewardKey, RewardChanged] = {}
    for event in events:
        key = event.store_id, event.id
        if key not in newest or newest[key].version < event.version:
            newest[key] = event
    # Sorted, so that two who keep at once do not wait for each other in a circle.
    await connection.executemany(_KEEP, [_row(newest[key]) for key in sorted(newest)])


async def forget(connection: Connection) -> None:
    """Forget every reward, before the topic tells them anew."""
    await connection.execute("DELETE FROM rewards")


def _row(event: RewardChanged) -> tuple[object, ...]:
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
        _moment(event.starts_at),
        _moment(event.ends_at),
        event.min_tier,
        _moment(event.created_at),
        msgspec.json.encode(event),
    )


def _moment(text: str | None) -> datetime | None:
    return None if text is None else parse_time(text)


def _reward(row: Any) -> Reward:
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
        shown=_shown.decode(row["shown"]),
    )


def _in_utc(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.astimezone(UTC)
