"""A batch of redemptions in PostgreSQL: lock and read what it touches, write the result.

Locks are taken in one order, first the usage of rewards and then redemptions, each by key: batches
wait for each other and never deadlock.
"""

from collections.abc import Sequence
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
_LOCK_USAGE: Final = """
SELECT u.store_id, u.reward_id, u.taken
FROM unnest($1::text[], $2::text[]) AS wanted (store_id, reward_id)
JOIN usage u USING (store_id, reward_id)
ORDER BY 1, 2
FOR NO KEY UPDATE OF u
"""
_LOCK_REDEMPTIONS: Final = """
SELECT r.* FROM redemptions r WHERE r.id = ANY($1::uuid[]) ORDER BY r.id FOR NO KEY UPDATE
"""
_INSERT: Final = """
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
_UPDATE_USAGE: Final = """
UPDATE usage u SET taken = new.taken
FROM unnest($1::text[], $2::text[], $3::bigint[]) AS new (store_id, reward_id, taken)
WHERE u.store_id = new.store_id AND u.reward_id = new.reward_id
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
) -> Known:
    """Lock and read what the actions touch, and the redemptions `claimed` by idempotency keys."""
    counting = [step for step in steps if isinstance(step, Release | FinishCancel)]
    keys = sorted({action.reward_key for action in (*reserves, *counting)})
    usage = await _lock_usage(connection, keys)
    redemptions = await _lock_redemptions(connection, [*(step.id for step in steps), *claimed])
    known = await rewards.read(connection, {action.reward_key for action in reserves})
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


async def _lock_usage(connection: Connection, keys: Sequence[RewardKey]) -> dict[RewardKey, int]:
    if not keys:
        return {}
    stores, ids = [key[0] for key in keys], [key[1] for key in keys]
    await connection.execute(_INSERT_USAGE, stores, ids)
    rows = await connection.fetch(_LOCK_USAGE, stores, ids)
    return {(row["store_id"], row["reward_id"]): row["taken"] for row in rows}


async def _lock_redemptions(connection: Connection, ids: Sequence[UUID]) -> dict[UUID, Redemption]:
    if not ids:
        return {}
    rows = await connection.fetch(_LOCK_REDEMPTIONS, ids)
    return {row["id"]: from_row(row) for row in rows}


async def write(connection: Connection, desk: Desk) -> None:
    """Write the result of a batch. Raises ConcurrentWrite where a redemption no longer exists."""
    await _insert(connection, list(desk.inserts.values()))
    updates = list(desk.updates.values())
    await _update(connection, updates)
    released = [
        (redemption.store_id, redemption.claim_key, redemption.id.bytes)
        for redemption in updates
        if redemption.status == "released" and redemption.claim_key is not None
    ]
    await release(connection, released)
    await _release_cancels(connection, list(desk.failed_cancels.values()))
    if desk.usage_updates:
        await connection.execute(
            _UPDATE_USAGE,
            [key[0] for key in desk.usage_updates],
            [key[1] for key in desk.usage_updates],
            list(desk.usage_updates.values()),
        )


async def _insert(connection: Connection, inserts: Sequence[Redemption]) -> None:
    if not inserts:
        return
    await connection.execute(
        _INSERT,
        [redemption.id for redemption in inserts],
        [redemption.store_id for redemption in inserts],
        [redemption.customer_id for redemption in inserts],
        [redemption.reward_id for redemption in inserts],
        [redemption.reward_name for redemption in inserts],
        [redemption.points for redemption in inserts],
        [redemption.min_tier for redemption in inserts],
        [redemption.code for redemption in inserts],
        [redemption.claim_key for redemption in inserts],
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
