"""A batch of redemptions in PostgreSQL: lock and read what it touches, write the result.

Locks are taken in one order, first the usage of rewards and then redemptions, each by key: batches
wait for each other and never deadlock.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final
from uuid import UUID

from libs.persistence.engine import Connection
from libs.persistence.errors import ConcurrentWrite
from libs.persistence.stored_responses import release
from services.redemption.domain.desk import CustomerKey, Desk, Known
from services.redemption.domain.redemptions import (
    FinishCancel,
    Redemption,
    Release,
    Reserve,
    Step,
)
from services.redemption.domain.rewards import Reward, RewardKey
from services.redemption.store import rewards
from services.redemption.store.redemptions import from_row

_INSERT_USAGE: Final = """
INSERT INTO usage (store_id, reward_id, taken)
SELECT store_id, reward_id, 0 FROM unnest($1::text[], $2::text[]) AS wanted (store_id, reward_id)
WHERE NOT EXISTS (
    SELECT FROM usage u WHERE u.store_id = wanted.store_id AND u.reward_id = wanted.reward_id)
ORDER BY 1, 2
ON CONFLICT DO NOTHING
"""
# The projection of the rewards may be empty: it is being rebuilt.
_LOCK_USAGE: Final = """
SELECT u.store_id AS locked_store, u.reward_id AS locked_reward, u.taken, r.*
FROM unnest($1::text[], $2::text[]) AS wanted (store_id, reward_id)
JOIN usage u USING (store_id, reward_id)
LEFT JOIN rewards r USING (store_id, reward_id)
ORDER BY 1, 2
FOR NO KEY UPDATE OF u
"""
_LOCK_REDEMPTIONS: Final = """
SELECT r.* FROM redemptions r WHERE r.id = ANY($1::uuid[]) ORDER BY r.id FOR NO KEY UPDATE
"""
# Every redemption is counted in the usage of its reward. A batch may also count without redemptions.
_INSERT_AND_COUNT: Final = """
WITH counted AS (
    UPDATE usage u SET taken = new.taken
    FROM unnest($10::text[], $11::text[], $12::bigint[]) AS new (store_id, reward_id, taken)
    WHERE u.store_id = new.store_id AND u.reward_id = new.reward_id
)
INSERT INTO redemptions (id, store_id, customer_id, reward_id, reward_name, points, min_tier, status,
                         code, claim_key)
SELECT id, store_id, customer_id, reward_id, reward_name, points, min_tier, 'reserved', code, claim_key
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::text[],
            $8::text[], $9::text[])
  AS new (id, store_id, customer_id, reward_id, reward_name, points, min_tier, code, claim_key)
"""
_UPDATE: Final = """
UPDATE redemptions r
SET status = new.status, transaction_id = new.transaction_id, balance_after = new.balance_after,
    debited_at = new.debited_at, changed_at = now()
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::bigint[], $5::text[])
  AS new (id, status, transaction_id, balance_after, debited_at)
WHERE r.id = new.id
"""
# Refusals are not stored, so all requests to cancel the redemption release their keys. The key of the
# request that redeemed it stays. This is so rare that a scan of the store's keys costs nothing.
_RELEASE_CANCELS: Final = """
DELETE FROM idempotency_keys k
USING unnest($1::text[], $2::text[], $3::bytea[]) AS failed (store_id, claim_key, body)
WHERE k.store_id = failed.store_id AND k.body = failed.body AND k.status = 0
  AND k.key IS DISTINCT FROM failed.claim_key
"""


async def read(
    connection: Connection,
    *,
    reserves: Sequence[Reserve],
    steps: Sequence[Step],
    claimed: Sequence[UUID],
    creates_usage: bool,
) -> Known:
    """Lock and read what the actions touch, and the redemptions `claimed` by idempotency keys.

    A reward that was never redeemed has no usage yet. Raises ConcurrentWrite then, unless
    `creates_usage`: it is created before any other lock is taken.
    """
    counting = [step for step in steps if isinstance(step, Release | FinishCancel)]
    keys = sorted({action.reward_key for action in (*reserves, *counting)})
    if creates_usage and keys:
        await connection.execute(_INSERT_USAGE, *_columns(keys))
    usage, known = await _lock_usage(connection, keys)
    redemptions = await _lock_redemptions(connection, [*(step.id for step in steps), *claimed])
    return Known(
        rewards=known,
        usage=usage,
        by_customer=await rewards.read_usage_by_customer(connection, _limited(reserves, known)),
        redemptions=redemptions,
    )


def _limited(reserves: Sequence[Reserve], known: dict[RewardKey, Reward]) -> set[CustomerKey]:
    """The customers who request rewards with a limit per customer."""
    return {
        (*action.reward_key, action.customer_id)
        for action in reserves
        if action.reward_key in known and known[action.reward_key].per_customer_limit is not None
    }


async def _lock_usage(
    connection: Connection, keys: Sequence[RewardKey]
) -> tuple[dict[RewardKey, int], dict[RewardKey, Reward]]:
    """How many of each reward are in use, locked, and the rewards that this service has received."""
    if not keys:
        return {}, {}
    rows = await connection.fetch(_LOCK_USAGE, *_columns(keys))
    if len(rows) < len(keys):
        raise ConcurrentWrite
    usage = {(row["locked_store"], row["locked_reward"]): row["taken"] for row in rows}
    known = [rewards.from_row(row) for row in rows if row["version"] is not None]
    return usage, {reward.key: reward for reward in known}


def _columns(keys: Iterable[RewardKey]) -> tuple[list[str], list[str]]:
    stores, ids = zip(*keys, strict=True)
    return list(stores), list(ids)


async def _lock_redemptions(connection: Connection, ids: Sequence[UUID]) -> dict[UUID, Redemption]:
    if not ids:
        return {}
    rows = await connection.fetch(_LOCK_REDEMPTIONS, ids)
    return {row["id"]: from_row(row) for row in rows}


async def write(connection: Connection, desk: Desk) -> None:
    """Write the result of a batch. Raises ConcurrentWrite where a redemption no longer exists."""
    if desk.usage_updates:
        await _insert_and_count(connection, list(desk.inserts.values()), desk.usage_updates)
    updates = list(desk.updates.values())
    await _update(connection, updates)
    released = [
        (redemption.store_id, redemption.claim_key, redemption.id.bytes)
        for redemption in updates
        if redemption.status == "released" and redemption.claim_key is not None
    ]
    await release(connection, released)
    await _release_cancels(connection, list(desk.failed_cancels.values()))


async def _insert_and_count(
    connection: Connection, inserts: Sequence[Redemption], usage: Mapping[RewardKey, int]
) -> None:
    await connection.execute(
        _INSERT_AND_COUNT,
        [redemption.id for redemption in inserts],
        [redemption.store_id for redemption in inserts],
        [redemption.customer_id for redemption in inserts],
        [redemption.reward_id for redemption in inserts],
        [redemption.reward_name for redemption in inserts],
        [redemption.points for redemption in inserts],
        [redemption.min_tier for redemption in inserts],
        [redemption.code for redemption in inserts],
        [redemption.claim_key for redemption in inserts],
        *_columns(usage),
        list(usage.values()),
    )


async def _update(connection: Connection, updates: Sequence[Redemption]) -> None:
    if not updates:
        return
    debits = [redemption.debit for redemption in updates]
    status = await connection.execute(
        _UPDATE,
        [redemption.id for redemption in updates],
        [redemption.status for redemption in updates],
        [None if debit is None else debit.transaction_id for debit in debits],
        [None if debit is None else debit.balance_after for debit in debits],
        [None if debit is None else debit.created_at for debit in debits],
    )
    if status != f"UPDATE {len(updates)}":
        raise ConcurrentWrite


async def _release_cancels(connection: Connection, failed: Sequence[Redemption]) -> None:
    if failed:
        await connection.execute(
            _RELEASE_CANCELS,
            [redemption.store_id for redemption in failed],
            [redemption.claim_key for redemption in failed],
            [redemption.id.bytes for redemption in failed],
        )
