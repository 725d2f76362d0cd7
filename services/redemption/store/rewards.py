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
# What `refusal` in domain/rewards.py says of a reward whoever asks, in SQL, so that a page costs no
# more than itself however many rewards there are. $2 is the moment, or null for all rewards.
_LISTED: Final = """
FROM rewards r LEFT JOIN usage u USING (store_id, reward_id)
WHERE r.store_id = $1 AND NOT r.deleted
  AND ($2::timestamptz IS NULL OR (
       r.is_active AND (r.starts_at IS NULL OR r.starts_at <= $2)
       AND (r.ends_at IS NULL OR r.ends_at > $2)
       AND (r.stock IS NULL OR r.stock > coalesce(u.taken, 0))))
"""
_PAGE: Final = f"""
SELECT r.*, coalesce(u.taken, 0) AS taken {_LISTED}
  AND ($3::timestamptz IS NULL OR (r.created_at, r.reward_id) > ($3, $4))
ORDER BY r.created_at, r.reward_id LIMIT $5
"""
_COUNT: Final = f"SELECT count(*) FROM (SELECT {_LISTED} LIMIT $3) counted"  # noqa: S608  constants alone
_CREATED_AT: Final = "SELECT created_at FROM rewards WHERE store_id = $1 AND reward_id = $2"
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


async def page(
    connection: Connection,
    store_id: str,
    *,
    at: datetime | None,
    after: tuple[datetime, str] | None,
    limit: int,
    count_limit: int,
) -> tuple[Sequence[tuple[Reward, int]], int]:
    """Up to `limit` + 1 of the store's rewards that can be had `at` a moment, or of all with None,
    oldest first, behind the place `after`: each with how much of it is in use. And how many match
    in all, counted up to `count_limit` + 1."""
    rows = await connection.fetch(_PAGE, store_id, at, *(after or (None, None)), limit + 1)
    counted: int = await connection.fetchval(_COUNT, store_id, at, count_limit + 1)
    return [(_reward(row), row["taken"]) for row in rows], counted


async def place(
    connection: Connection, store_id: str, reward_id: str
) -> tuple[datetime, str] | None:
    """Where the reward stands among the store's, also a deleted one; None for an unknown one."""
    created_at = await connection.fetchval(_CREATED_AT, store_id, reward_id)
    return None if created_at is None else (created_at, reward_id)


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
