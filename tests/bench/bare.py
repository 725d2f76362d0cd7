"""A bare service to measure against: Litestar and asyncpg, one transaction a request, nothing else."""

import asyncio
import contextlib
import os
import secrets
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import msgspec
from litestar import Litestar, Response, get, post
from litestar.params import FromPath

from libs.kernel.ids import uuid7_text
from libs.testing.eventually import eventually
from libs.web.health import InternalToken, Readiness, health_routes
from libs.web.serve import serve
from services.redemption.domain.codes import RANDOM_BITS, make_code
from tests.bench.servers import STORE, Service, responds
from tests.support import ROOT
from tools.stack.config import free_port

EARN = """
WITH raised AS (
    INSERT INTO accounts AS a (store_id, customer_id, balance, lifetime, sequence, suspended, tier,
                               member_since)
    VALUES ($1, $2, $3, $3, 1, false, 'Bronze', now())
    ON CONFLICT (store_id, customer_id) DO UPDATE
    SET balance = a.balance + $3, lifetime = a.lifetime + $3, sequence = a.sequence + 1
    RETURNING a.id, a.balance, a.lifetime, a.sequence
)
INSERT INTO entries (account_id, sequence, id, store_id, type, points, balance_after, lifetime_after,
                     reason, occurred_at)
SELECT id, sequence, $4::text::uuid, $1, 'earn', $3, balance, lifetime, $5, now() FROM raised
RETURNING balance_after
"""
# What `make_rewards` makes: no saga, no projection, one database for everything.
REWARDS = """
CREATE TABLE IF NOT EXISTS bare_rewards (
    id text PRIMARY KEY, cost bigint NOT NULL, stock bigint NOT NULL, taken bigint NOT NULL
) WITH (fillfactor = 50);
CREATE TABLE IF NOT EXISTS bare_redemptions (
    id uuid PRIMARY KEY, customer_id text NOT NULL, reward_id text NOT NULL, code text NOT NULL
)
"""
TAKE_REWARD = """
UPDATE bare_rewards SET taken = taken + 1 WHERE id = $1 AND taken < stock RETURNING cost
"""
REDEEM = """
WITH lowered AS (
    UPDATE accounts SET balance = balance - $3, sequence = sequence + 1
    WHERE store_id = $1 AND customer_id = $2 AND balance >= $3
    RETURNING id, balance, lifetime, sequence
), noted AS (
    INSERT INTO bare_redemptions (id, customer_id, reward_id, code)
    VALUES ($4::text::uuid, $2, $5, $6)
)
INSERT INTO entries (account_id, sequence, id, store_id, type, points, balance_after, lifetime_after,
                     reason, occurred_at, redemption_id, reward_id)
SELECT id, sequence, $4::text::uuid, $1, 'redeem', -$3, balance, lifetime, 'Reward', now(), $4, $5
FROM lowered
RETURNING balance_after
"""
# What GET status returns: the account, its ten newest entries.
ACCOUNT = """
SELECT id, balance, lifetime, tier, member_since FROM accounts WHERE store_id = $1 AND customer_id = $2
"""
NEWEST = """
SELECT id, type, points, reason, occurred_at FROM entries WHERE account_id = $1
ORDER BY sequence DESC LIMIT 10
"""


class Redeem(msgspec.Struct):
    customer_id: str
    reward_id: str


class Earn(msgspec.Struct):
    customer_id: str
    points: int
    reason: str


def create(url: str, fixed_response: str) -> Litestar:
    """The app over the database at `url`; the file `fixed_response` holds the body of its list."""
    pools: list[asyncpg.Pool] = []
    listed = Path(fixed_response).read_bytes() if fixed_response else b""

    @post("/earn")
    async def earn(data: Earn) -> Response[dict[str, object]]:
        entry = uuid7_text()
        balance = await pools[0].fetchval(
            EARN, STORE, data.customer_id, data.points, entry, data.reason
        )
        return Response(
            {
                "id": f"txn_{entry}",
                "customer_id": data.customer_id,
                "type": "earn",
                "points": data.points,
                "reason": data.reason,
                "balance_after": balance,
            },
            status_code=201,
        )

    @post("/redeem")
    async def redeem(data: Redeem) -> Response[dict[str, object]]:
        entry, code = uuid7_text(), make_code(secrets.randbits(RANDOM_BITS))
        async with pools[0].acquire() as connection, connection.transaction():
            cost = await connection.fetchval(TAKE_REWARD, data.reward_id)
            balance = await connection.fetchval(
                REDEEM, STORE, data.customer_id, cost, entry, data.reward_id, code
            )
        return Response(
            {
                "id": f"txn_{entry}",
                "customer_id": data.customer_id,
                "type": "redeem",
                "points": -cost,
                "reward": {"id": data.reward_id, "name": "Reward"},
                "balance_after": balance,
                "code": code,
            },
            status_code=201,
        )

    @get("/customers/{customer_id:str}")
    async def status(customer_id: FromPath[str]) -> Response[dict[str, object]]:
        async with pools[0].acquire() as connection:
            account = await connection.fetchrow(ACCOUNT, STORE, customer_id)
            if account is None:
                return Response({"detail": "There is no such customer"}, status_code=404)
            entries = await connection.fetch(NEWEST, account["id"])
        return Response(
            {
                "customer_id": customer_id,
                "points_balance": account["balance"],
                "lifetime_points": account["lifetime"],
                "tier": {"name": account["tier"]},
                "member_since": account["member_since"].isoformat(),
                "transactions": [
                    {
                        "id": f"txn_{entry['id']}",
                        "type": entry["type"],
                        "points": entry["points"],
                        "reason": entry["reason"],
                        "created_at": entry["occurred_at"].isoformat(),
                    }
                    for entry in entries
                ],
            }
        )

    @get(f"/v1/stores/{STORE}/loyalty/rewards", sync_to_thread=False)
    def fixed() -> Response[bytes]:
        return Response(listed, media_type="application/json")

    @asynccontextmanager
    async def running(_app: Litestar) -> AsyncIterator[None]:
        pools.append(await asyncpg.create_pool(url, min_size=16, max_size=16))
        yield
        await pools[0].close()

    health = health_routes(Readiness({}), InternalToken(secrets.token_hex()))
    return Litestar([earn, redeem, status, fixed, *health], lifespan=[running], openapi_config=None)


@contextlib.asynccontextmanager
async def serving(url: str, fixed_response: str = "") -> AsyncIterator[Service]:
    """The bare service in a process of its own."""
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.bench.bare", url, str(port), fixed_response),
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    try:
        await eventually(
            lambda: responds(f"http://127.0.0.1:{port}/health/live"), within_seconds=20
        )
        yield Service(port, process.pid)
    finally:
        process.terminate()
        await process.wait()


if __name__ == "__main__":
    app = create(sys.argv[1], sys.argv[3])
    serve(app, host="127.0.0.1", port=int(sys.argv[2]), metrics_port=0)
