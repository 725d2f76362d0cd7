"""An upgrade from the last version whose outbox has encoded events: with a million entries, a backlog of
orders, and an outbox that is full."""

import asyncio
import itertools
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer

from libs.contracts.topics import POINTS_EARNED
from libs.persistence.migrate import upgrade
from libs.testing.eventually import eventually
from tests.bench import history
from tests.bench.bench import Bench
from tests.bench.databases import connected, create_program
from tests.bench.display import Display
from tests.bench.orders import customer_of, order_value, publish
from tests.bench.sizes import TRIAL
from tests.chaos.alone import end, healthy, start
from tests.chaos.previous import check_out, find_revision
from tests.integration.conftest import Database, create_empty_database
from tests.support import Stack, ledger_faults
from tools.demo.publish import wait_until_consumed

# The last commit before entries went into the outbox.
_OLD_VERSION: Final = "56abbb3"
_ENTRIES: Final = 1_000_000
_ORDERS: Final = 20_000
_CUSTOMERS: Final = 5_000
# Of each customer, in the generated ledger of 100,000.
_EARLIER: Final = 10
# How the payload of such a row begins, as docs/adr/0024 says.
_NEW_FORM: Final = "substr(payload, 1, 1) = '\\x01'"
_READ_OUTBOX: Final = f"""
SELECT coalesce(sum(events), 0)::int AS events, count(*) FILTER (WHERE {_NEW_FORM}) AS new FROM outbox
"""
_READ_POSTED: Final = """
SELECT 'txn_' || e.id AS id, a.customer_id, e.sequence, e.order_id
FROM entries e JOIN accounts a ON a.id = e.account_id WHERE e.sequence > $1
"""


@contextmanager
def timed(step: str) -> Iterator[None]:
    """Print how long a step took."""
    started = time.monotonic()
    yield
    print(f"{step}: {time.monotonic() - started:.1f} s")


async def migrate_as(root: Path, database: Database) -> None:
    """Create the tables that the version in `root` knows."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "libs.persistence.migrate", "services.earning"),
        cwd=root,
        env=os.environ | {"PYTHONPATH": str(root), "WHALE_DATABASE_URL": database.owner_url},
    )
    assert await process.wait() == 0


async def read_outbox(connection: asyncpg.Connection) -> tuple[int, int]:
    """The number of its events, and that of its rows in the new form."""
    row = await connection.fetchrow(_READ_OUTBOX)
    assert row is not None
    return row["events"], row["new"]


async def read_published(stack: Stack) -> list[tuple[str, bytes]]:
    """The transaction and the value of each record on points.earned, by partition."""
    published = []
    async with AIOKafkaConsumer(
        POINTS_EARNED, bootstrap_servers=stack.kafka, auto_offset_reset="earliest"
    ) as consumer:
        ends = await consumer.end_offsets(consumer.assignment())
        while any([await consumer.position(place) < last for place, last in ends.items()]):
            for records in (await consumer.getmany(timeout_ms=500)).values():
                published += [
                    (dict(record.headers)["ce_id"].decode(), record.value) for record in records
                ]
    return published


@pytest.mark.long
@pytest.mark.timeout(900)
async def test_an_outbox_of_encoded_events_and_a_million_entries_survive_the_upgrade(
    bare_stack: Stack, tmp_path: Path, unique: str
) -> None:
    revision = find_revision(_OLD_VERSION)
    if revision is None:
        pytest.skip(f"the commit {_OLD_VERSION} is not in this clone: fetch the whole history")
    old = check_out(revision, tmp_path)
    database = await create_empty_database(bare_stack, "earning", unique)
    bench = Bench(bare_stack, TRIAL, Display())
    settings = {"WHALE_DATABASE_URL": database.url}
    await migrate_as(old, database)
    await create_program(database.owner_url)
    with timed(f"generated {_ENTRIES:,} entries"):
        await history.fill(bench, database.owner_url, _ENTRIES, with_last_days=False)
    orders = (
        (customer, order_value(f"o{number}", customer))
        for number in range(_ORDERS)
        for customer in (customer_of(number, _CUSTOMERS),)
    )
    await publish(bench, _ORDERS, orders)
    async with connected(database.owner_url) as connection:
        await _fill_outbox(bare_stack, connection, root=old, **settings)
        with timed("migrated"):
            await asyncio.to_thread(upgrade, "services.earning", database.owner_url)
        with timed("posted and published the rest"):
            async with healthy(bare_stack, WHALE_ROLES="consumers,relay", **settings):
                await wait_until_consumed(bare_stack.kafka, lambda _lag: None)
                await eventually(lambda: _is_published(connection))
        posted = await connection.fetch(_READ_POSTED, _EARLIER)
        with timed("verified"):
            assert await ledger_faults(connection) == []
    assert sorted(row["order_id"] for row in posted) == sorted(f"o{n}" for n in range(_ORDERS))
    assert_published(await read_published(bare_stack), posted)


async def _fill_outbox(
    stack: Stack, connection: asyncpg.Connection, *, root: Path, **settings: Any
) -> None:
    """Have the version in `root` post without a relay, and kill it in the middle of the backlog."""
    process = await start(stack, root=root, WHALE_ROLES="consumers", **settings)
    try:

        async def is_filled() -> bool:
            return (await read_outbox(connection))[0] >= _ORDERS // 4

        await eventually(is_filled, every=0.02)
    finally:
        process.kill()
        await end(process)
    events, new = await read_outbox(connection)
    print(f"the outbox has {events:,} encoded events")
    assert new == 0


async def _is_published(connection: asyncpg.Connection) -> bool:
    return (await read_outbox(connection))[0] == 0


def assert_published(published: list[tuple[str, bytes]], posted: list[asyncpg.Record]) -> None:
    """Each posted entry was published, in the customer's order; a repeated event has the same bytes."""
    values = dict(published)
    print(f"published {len(published):,} events, {len(published) - len(values):,} of them repeated")
    assert values.keys() == {row["id"] for row in posted}
    assert all(value == values[id_] for id_, value in published)
    place = {id_: place for place, (id_, _) in reversed(list(enumerate(published)))}
    ordered = sorted(posted, key=lambda row: (row["customer_id"], row["sequence"]))
    for before, after in itertools.pairwise(ordered):
        if before["customer_id"] == after["customer_id"]:
            assert place[before["id"]] < place[after["id"]]
