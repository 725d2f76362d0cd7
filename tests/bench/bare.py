"""A bare service to measure against: Litestar and asyncpg, one statement a request, nothing else."""

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import msgspec
from litestar import Litestar, Response, post

from libs.kernel.ids import uuid7_text
from libs.testing.eventually import eventually
from libs.web.app import health_routes
from libs.web.serve import serve
from tests.bench.servers import STORE, answers
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


class Earn(msgspec.Struct):
    customer_id: str
    points: int
    reason: str


def create(url: str) -> Litestar:
    """The app over the database at `url`."""
    pools: list[asyncpg.Pool] = []

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

    @asynccontextmanager
    async def running(_app: Litestar) -> AsyncIterator[None]:
        pools.append(await asyncpg.create_pool(url, min_size=16, max_size=16))
        yield
        await pools[0].close()

    return Litestar([earn, *health_routes({})], lifespan=[running], openapi_config=None)


@contextlib.asynccontextmanager
async def serving(url: str) -> AsyncIterator[int]:
    """The bare service in a process of its own; answers its port."""
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.bench.bare", url, str(port)),
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    try:
        await eventually(lambda: answers(f"http://127.0.0.1:{port}/health/live"), within_seconds=20)
        yield port
    finally:
        process.terminate()
        await process.wait()


if __name__ == "__main__":
    serve(create(sys.argv[1]), host="127.0.0.1", port=int(sys.argv[2]), metrics_port=0)
