"""One batch of redemptions in PostgreSQL: lock and read what it touches, write what came of it.

Locks are taken in one order, the use of rewards and then redemptions, each by key, so that batches
wait for each other and never deadlock.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final
from uuid import UUID

from libs.persistence.engine import Connection
from libs.persistence.errors import ConcurrentWrite
from libs.persistence.idempotency import release
from services.redemption.domain.desk import CustomerKey, Desk, Known
from services.redemption.domain.redemptions import (
    Debit,
    FinishCancel,
    Redemption,
    Release,
    Reserve,
    Step,
)
from services.redemption.domain.rewards import Reward, RewardKey
from services.redemption.store import rewards

_MAKE_USAGE: Final = """
INSERT INTO usage (store_id, reward_id, taken)
SELECT store_id, reward_id, 0 FROM unnest($1::text[], $2::text[]) AS asked (store_id, reward_id)
WHERE NOT EXISTS (
    SELECT FROM usage u WHERE u.store_id = asked.store_id AND u.reward_id = asked.reward_id)
ORDER BY 1, 2
ON CONFLICT DO NOTHING
"""
_LOCK_USAGE: Final = """
SELECT u.store_id, u.reward_id, u.taken
FROM unnest($1::text[], $2::text[]) AS asked (store_id, reward_id)
JOIN usage u USING (store_id, reward_id)
ORDER BY 1, 2
FOR NO KEY UPDATE OF u
"""
_BY_CUSTOMER: Final = """
SELECT r.store_id, r.reward_id, r.customer_id, count(*) AS taken
FROM unnest($1::text[], $2::text[], $3::text[]) AS asked (store_id, reward_id, customer_id)
JOIN redemptions r USING (store_id, customer_id, reward_id)
WHERE r.status NOT IN ('released', 'cancelled')
GROUP BY 1, 2, 3
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
_MOVE: Final = """
UPDATE redemptions r
SET status = new.status, transaction_id = new.transaction_id, balance_after = new.balance_after,
    debited_at = new.debited_at, changed_at = now()
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::bigint[], $5::text[])
  AS new (id, status, transaction_id, balance_after, debited_at)
WHERE r.id = new.id
"""
_SET_USAGE: Final = """
UPDATE usage u SET taken = new.taken
FROM unnest($1::text[], $2::text[], $3::bigint[]) AS new (store_id, reward_id, taken)
WHERE u.store_id = new.store_id AND u.reward_id = new.reward_id
"""
# A refusal is not kept: the keys are free again of all requests to cancel the redemption, which the
# one that redeemed it is not. So rare that a look through the keys of the store costs nothing.
_FREE_CANCELS: Final = """
DELETE FROM idempotency_keys k
USING unnest($1::text[], $2::text[], $3::bytea[]) AS freed (store_id, redeemed_with, body)
WHERE k.store_id = freed.store_id AND k.body = freed.body AND k.status = 0
  AND k.key IS DISTINCT FROM freed.redeemed_with
"""


async def read(
    connection: Connection,
    *,
    reserves: Sequence[Reserve],
    steps: Sequence[Step],
    named: Sequence[UUID],
) -> Known:
    """Lock what the actions touch and the redemptions `named` beside, and read what they need."""
    counting = [step for step in steps if isinstance(step, Release | FinishCancel)]
    keys = sorted({one.reward_key for one in (*reserves, *counting)})
    usage = await _lock_usage(connection, keys)
    redemptions = await _lock_redemptions(connection, [*(step.id for step in steps), *named])
    known = await rewards.read(connection, {one.reward_key for one in reserves})
    return Known(
        rewards=known,
        usage=usage,
        by_customer=await by_customer(connection, _limited(reserves, known)),
        redemptions=redemptions,
    )


def _limited(reserves: Sequence[Reserve], known: dict[RewardKey, Reward]) -> set[CustomerKey]:
    """Who asks for rewards that each customer may have so often only."""
    return {
        (*one.reward_key, one.customer_id)
        for one in reserves
        if one.reward_key in known and known[one.reward_key].per_customer_limit is not None
    }


async def _lock_usage(connection: Connection, keys: Sequence[RewardKey]) -> dict[RewardKey, int]:
    if not keys:
        return {}
    stores, ids = [key[0] for key in keys], [key[1] for key in keys]
    await connection.execute(_MAKE_USAGE, stores, ids)
    rows = await connection.fetch(_LOCK_USAGE, stores, ids)
    return {(row["store_id"], row["reward_id"]): row["taken"] for row in rows}


async def _lock_redemptions(connection: Connection, ids: Sequence[UUID]) -> dict[UUID, Redemption]:
    if not ids:
        return {}
    rows = await connection.fetch(_LOCK_REDEMPTIONS, ids)
    return {row["id"]: redemption_of(row) for row in rows}


async def by_customer(
    connection: Connection, asked: Iterable[CustomerKey]
) -> dict[CustomerKey, int]:
    """How many of a reward a customer has in use."""
    keys = list(asked)
    if not keys:
        return {}
    rows = await connection.fetch(_BY_CUSTOMER, *([key[at] for key in keys] for at in range(3)))
    return {(row["store_id"], row["reward_id"], row["customer_id"]): row["taken"] for row in rows}


async def write(connection: Connection, desk: Desk) -> None:
    """Write what came of a batch."""
    await _insert(connection, list(desk.reserved.values()))
    moved = list(desk.moved.values())
    await _move(connection, moved)
    await release(
        connection,
        [
            (one.store_id, one.claim_key, one.id.bytes)
            for one in moved
            if one.status == "released" and one.claim_key is not None
        ],
    )
    await _free_cancels(connection, list(desk.abandoned.values()))
    if desk.used:
        await connection.execute(
            _SET_USAGE,
            [key[0] for key in desk.used],
            [key[1] for key in desk.used],
            list(desk.used.values()),
        )


async def _insert(connection: Connection, reserved: Sequence[Redemption]) -> None:
    if not reserved:
        return
    await connection.execute(
        _INSERT,
        [one.id for one in reserved],
        [one.store_id for one in reserved],
        [one.customer_id for one in reserved],
        [one.reward_id for one in reserved],
        [one.reward_name for one in reserved],
        [one.points for one in reserved],
        [one.min_tier for one in reserved],
        [one.code for one in reserved],
        [one.claim_key for one in reserved],
    )


async def _move(connection: Connection, moved: Sequence[Redemption]) -> None:
    if not moved:
        return
    status = await connection.execute(
        _MOVE,
        [one.id for one in moved],
        [one.status for one in moved],
        [None if one.debit is None else one.debit.transaction_id for one in moved],
        [None if one.debit is None else one.debit.balance_after for one in moved],
        [None if one.debit is None else one.debit.created_at for one in moved],
    )
    if status != f"UPDATE {len(moved)}":
        raise ConcurrentWrite


async def _free_cancels(connection: Connection, abandoned: Sequence[Redemption]) -> None:
    if abandoned:
        await connection.execute(
            _FREE_CANCELS,
            [one.store_id for one in abandoned],
            [one.claim_key for one in abandoned],
            [one.id.bytes for one in abandoned],
        )


def redemption_of(row: Any) -> Redemption:
    """A redemption as its row has it."""
    debit = None
    if row["transaction_id"] is not None:
        debit = Debit(row["transaction_id"], row["balance_after"], row["debited_at"])
    return Redemption(
        id=UUID(int=row["id"].int),
        store_id=row["store_id"],
        customer_id=row["customer_id"],
        reward_id=row["reward_id"],
        reward_name=row["reward_name"],
        points=row["points"],
        min_tier=row["min_tier"],
        status=row["status"],
        code=row["code"],
        claim_key=row["claim_key"],
        debit=debit,
    )
