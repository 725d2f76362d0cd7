"""The limit of the main job: what PostgreSQL alone can take, without Kafka and without rules.

Two connections, one statement per 2,000 orders that dedupes, raises accounts, and writes the same
entry and order rows and an outbox row of a few bytes, into tables of the same columns and indexes on
the same server. Everything that Python does for it is done before the clock starts.
"""

import asyncio
import os
import time

import asyncpg

from libs.kernel.ids import uuid7_text
from libs.persistence.columns import numbers, texts
from tests.bench.bench import Bench
from tests.bench.figures import Figure
from tests.bench.servers import STORE

BATCH = 2_000

LOAD = r"""
WITH sent AS MATERIALIZED (
    SELECT * FROM unnest(string_to_array($2, E'\x1f'), string_to_array($3, E'\x1f'), $4::text::uuid[],
                         string_to_array($5, E'\x1f')) WITH ORDINALITY
      AS t (order_id, customer_id, id, reason, place)
), known AS MATERIALIZED (
    SELECT order_id FROM orders WHERE store_id = $1 AND order_id = ANY(string_to_array($2, E'\x1f'))
), fresh AS MATERIALIZED (
    SELECT *, row_number() OVER (PARTITION BY customer_id ORDER BY place) AS nth
    FROM sent WHERE order_id NOT IN (SELECT order_id FROM known)
), per_customer AS (
    SELECT customer_id, count(*) AS n FROM fresh GROUP BY customer_id ORDER BY customer_id
), raised AS (
    INSERT INTO accounts AS a (store_id, customer_id, balance, lifetime, sequence, suspended, tier,
                               member_since)
    SELECT $1, customer_id, n * 199, n * 199, n, false, 'Bronze', '2026-03-10T12:00:00Z'
    FROM per_customer
    ON CONFLICT (store_id, customer_id) DO UPDATE
    SET balance = a.balance + excluded.balance, lifetime = a.lifetime + excluded.lifetime,
        sequence = a.sequence + excluded.sequence
    RETURNING a.id, a.customer_id, a.balance, a.lifetime, a.sequence
), placed AS MATERIALIZED (
    SELECT f.*, r.id AS account_id, r.sequence - p.n + f.nth AS sequence,
           r.balance - (p.n - f.nth) * 199 AS balance_after,
           r.lifetime - (p.n - f.nth) * 199 AS lifetime_after
    FROM fresh f JOIN raised r USING (customer_id) JOIN per_customer p USING (customer_id)
), entered AS (
    INSERT INTO entries (account_id, sequence, id, store_id, type, points, balance_after,
                         lifetime_after, program_version_id, tier, reason, occurred_at, order_id)
    SELECT account_id, sequence, id, $1, 'earn', 199, balance_after, lifetime_after, 1, 'Bronze',
           reason, '2026-03-10T12:00:00Z', order_id
    FROM placed
), ordered AS (
    INSERT INTO orders (store_id, order_id, account_id, total, currency, state, reason, occurred_at,
                        award, entry_sequence)
    SELECT $1, order_id, account_id, 19.99, 'USD', 'counted', reason, '2026-03-10T12:00:00Z', 199,
           sequence
    FROM placed
)
INSERT INTO outbox (id, lane, payload, events)
SELECT nextval('outbox_id'), 0, '\x00'::bytea, count(*) FROM placed
"""


async def load(bench: Bench, url: str, orders: list[tuple[str, str]]) -> Figure:
    """Load (order id, customer id) pairs; returns orders per second."""
    halves: tuple[list[tuple[str, str]], list[tuple[str, str]]] = ([], [])
    for one in orders:
        halves[hash(one[1]) % 2].append(one)
    prepared = [_prepare(half) for half in halves]
    connections = [await asyncpg.connect(url) for _ in halves]
    meter = bench.meter(os.getpid())
    before, started = meter.read(), time.perf_counter()
    await asyncio.gather(
        *(
            _run(connection, batches)
            for connection, batches in zip(connections, prepared, strict=True)
        )
    )
    seconds = time.perf_counter() - started
    cpu = (meter.read() - before).per(len(orders))
    for connection in connections:
        await connection.close()
    return Figure(len(orders) / seconds, cpu)


def _prepare(orders: list[tuple[str, str]]) -> list[tuple[str, str, str, str]]:
    batches = [orders[start : start + BATCH] for start in range(0, len(orders), BATCH)]
    return [
        (
            texts(order_id for order_id, _ in batch),
            texts(customer_id for _, customer_id in batch),
            numbers(uuid7_text() for _ in batch),
            texts(f"Order #{order_id}" for order_id, _ in batch),
        )
        for batch in batches
    ]


async def _run(connection: asyncpg.Connection, batches: list[tuple[str, str, str, str]]) -> None:
    for batch in batches:
        await connection.execute(LOAD, STORE, *batch)
