"""Detection on PostgreSQL: its digests stay exact whatever happens, and the statements of a batch."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import msgspec
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from libs.contracts.anomalies import (
    AnomalySettings,
    Deviation,
    RapidEarning,
    Resolution,
    UnusualAmount,
)
from libs.kernel.clock import format_time
from libs.persistence.engine import Connection, create_batch_engine, transaction
from libs.persistence.errors import is_transient
from services.anomaly.domain.anomalies import Review
from services.anomaly.domain.detectors import screen
from services.anomaly.domain.digests import Digest, make_digest
from services.anomaly.domain.earnings import MS_PER_DAY, Earning
from services.anomaly.handlers import detection, reviews
from services.anomaly.handlers.detection import detect
from services.anomaly.store import digests, earnings, stores
from services.anomaly.store.earnings import Customer, EarningEvent
from tests.integration.conftest import Database, empty_database
from tests.support import Stack
from tests.unit.anomaly.earnings import NOON

SETTINGS = AnomalySettings(
    rapid_earning=RapidEarning(count=3, window_seconds=60),
    unusual_amount=UnusualAmount(min_history=2, min_points=8, factor=Decimal(4)),
    deviation=Deviation(min_days=2, score=Decimal(6)),
)
STEPS = (1, 59_999, 60_001, -5_000, *(3_600_000,) * 3, *(MS_PER_DAY,) * 5)
CUSTOMERS = 12
BATCHES = 30


@pytest.fixture
async def database(stack: Stack, unique: str) -> Database:
    return await empty_database(stack, "anomaly", unique)


@pytest.fixture
async def engine(database: Database) -> AsyncIterator[AsyncEngine]:
    engine = create_batch_engine(database.url, name="test")
    yield engine
    await engine.dispose()


def event(customer: Customer, points: int, at: int, id_: UUID | None = None) -> EarningEvent:
    moment = format_time(earnings.moment(at))
    return EarningEvent(*customer, f"txn_{id_ or uuid4()}", points, at, moment)


async def change_settings(engine: AsyncEngine, store_id: str, settings: AnomalySettings) -> None:
    async with transaction(engine) as connection:
        await stores.put(connection, store_id, settings)


async def record_as_previous_version(
    connection: Connection, events: Sequence[EarningEvent], *, settings_revisions: Sequence[int]
) -> Sequence[EarningEvent]:
    """As the previous version, which knew no digests; every earning is new."""
    await connection.executemany(
        "INSERT INTO earnings (store_id, customer_id, occurred_at, id, points, revision) "
        "VALUES ($1, $2, $3, $4, $5, $6)",
        [
            (
                *(one.store_id, one.customer_id, earnings.moment(one.at)),
                *(one.transaction_id.removeprefix("txn_"), one.points, revision),
            )
            for one, revision in zip(events, settings_revisions, strict=True)
        ],
    )
    return events


async def detect_as_previous_version(engine: AsyncEngine, events: Sequence[EarningEvent]) -> None:
    """Without digests; its windows let everything through here."""

    async def write_nothing(*_: object) -> None: ...

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(earnings, "add_new", record_as_previous_version)
        patch.setattr(digests, "write", write_nothing)
        patch.setattr(detection, "screen", lambda *_: (True, None))
        await detect(engine, events)


async def change_baselines(connection: Connection, customer: Customer) -> None:
    """What the resolution of an anomaly as approved or voided does, of both versions."""
    await connection.execute(
        "UPDATE earnings SET normal = NOT normal WHERE store_id = $1 AND customer_id = $2",
        *customer,
    )


async def assert_digests_are_exact(engine: AsyncEngine, expected: int) -> None:
    """Every digest is the one that the recorded earnings give; `expected` are at least as many."""
    async with transaction(engine) as connection:
        rows = await connection.fetch("SELECT * FROM digests WHERE digest IS NOT NULL")
        by_customer = {
            (row["store_id"], row["customer_id"]): msgspec.json.decode(row["digest"], type=Digest)
            for row in rows
        }
        histories = await earnings.histories(connection, list(by_customer))
        settings = await stores.read(connection, {store_id for store_id, _ in by_customer})
    current = 0
    for customer, digest in by_customer.items():
        store = settings[customer[0]]
        if digest.revision != store.revision:
            continue
        current += 1
        history = histories[customer]
        assert digest == make_digest(
            history,
            store.settings.rapid_earning,
            revision=store.revision,
            day=history[-1].earning.day,
        ), customer
    assert current >= expected


async def test_digests_stay_exact_through_random_batches(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Small ones: late and repeated earnings, other settings, resolutions, and earnings that the previous
    version recorded."""
    seed = random.randrange(10**6)
    print("seed", seed)
    screenings: list[bool] = []

    def screen_counted(*arguments: Any) -> Any:
        result = screen(*arguments)
        screenings.append(result[0])
        return result

    monkeypatch.setattr(detection, "screen", screen_counted)
    await replay_random_batches(engine, random.Random(seed))
    assert screenings.count(False) > len(screenings) / 10


async def replay_random_batches(engine: AsyncEngine, choose: random.Random) -> None:
    customers = [(f"store_{number % 2}", f"cust_{number:02}") for number in range(CUSTOMERS)]
    clocks = dict.fromkeys(customers, NOON)
    sent = [
        event(customer, 2, NOON - (300 + number) * MS_PER_DAY, UUID(int=choose.getrandbits(128)))
        for customer in customers
        for number in range(3)
    ]
    await detect(engine, sent)
    for number in range(BATCHES):
        batch = []
        for customer in choose.sample(customers, 8):
            for _ in range(choose.choice([1, 1, 1, 2, 3])):
                clocks[customer] += choose.choice(STEPS)
                points = choose.choice([2, 2, 2, 3, 3, 3, 3, 4, 9, 30])
                id_ = UUID(int=choose.getrandbits(128))
                batch.append(event(customer, points, clocks[customer], id_))
        sent += batch
        repeated = choose.sample(sent, 4) if choose.random() < 0.2 else []
        await detect(engine, [*batch, *repeated])
        await assert_digests_are_exact(engine, expected=0)
        if number % 3 == 1:
            long_ago = NOON - (number + 1) * MS_PER_DAY
            id_ = UUID(int=choose.getrandbits(128))
            await detect_as_previous_version(
                engine, [event(choose.choice(customers), 2, long_ago, id_)]
            )
        if number % 3 == 2:
            await resolve_one(engine, choose)
        if number in {0, 15}:
            rapid = RapidEarning(count=3, window_seconds=60 if number else 600)
            changed = msgspec.structs.replace(SETTINGS, rapid_earning=rapid)
            await change_settings(engine, "store_0", changed)
            await change_settings(engine, "store_1", SETTINGS)


async def resolve_one(engine: AsyncEngine, choose: random.Random) -> None:
    """Resolve any of the open anomalies."""
    async with transaction(engine) as connection:
        rows = await connection.fetch(
            "SELECT store_id, id FROM anomalies WHERE status = 'pending_review' "
            "ORDER BY store_id, customer_id, type, first_at"
        )
        if rows:
            store_id, id_ = choose.choice(rows)
            resolution: Resolution = choose.choice(["approved", "voided"])
            decision = Review(
                status="resolved", resolution=resolution, note=None, reviewed_by="test"
            )
            await reviews.carry_out(connection, store_id, f"anom_{id_}", decision)


async def test_a_longer_window_counts_earnings_that_a_digest_left_out(
    engine: AsyncEngine, unique: str
) -> None:
    customer = (unique, "cust_1")
    await change_settings(engine, unique, SETTINGS)
    await detect(engine, [event(customer, 2, NOON + number * 90_000) for number in range(2)])
    rapid = RapidEarning(count=3, window_seconds=600)
    longer = msgspec.structs.replace(SETTINGS, rapid_earning=rapid)
    await change_settings(engine, unique, longer)
    assert await detect(engine, [event(customer, 2, NOON + 180_000)])
    await assert_digests_are_exact(engine, expected=0)


async def test_a_batch_and_its_repetition_at_the_same_time_count_once(
    engine: AsyncEngine, unique: str
) -> None:
    """As after a rebalance: a process still handles what another one received again, in other batches."""
    customers = [(unique, f"cust_{number:03}") for number in range(40)]
    first = [event(customer, 5, NOON + n) for n, customer in enumerate(customers)]
    second = [event(customer, 7, NOON + MS_PER_DAY) for customer in reversed(customers)]
    batches = [first, [*first, *second], second, [*second[:20], *first[:20]]]
    await asyncio.gather(*(detect_until_done(engine, batch) for batch in batches))
    async with transaction(engine) as connection:
        assert await connection.fetchval("SELECT count(*) FROM earnings") == len(first) * 2
    await assert_digests_are_exact(engine, expected=0)
    third = [event(customer, 5, NOON + 2 * MS_PER_DAY) for customer in customers]
    await detect(engine, third)
    await assert_digests_are_exact(engine, expected=len(customers))


async def detect_until_done(engine: AsyncEngine, batch: Sequence[EarningEvent]) -> None:
    """As the consumer does: a lost race or a deadlock is tried again."""
    while True:
        try:
            await detect(engine, batch)
        except Exception as error:
            if not is_transient(error):
                raise
        else:
            return


@pytest.mark.parametrize("is_known", [True, False], ids=["with a row", "without a row"])
@pytest.mark.parametrize(
    "change",
    [
        pytest.param(
            lambda connection, customer: record_as_previous_version(
                connection, [event(customer, 100, NOON - MS_PER_DAY)], settings_revisions=[0]
            ),
            id="previous version",
        ),
        pytest.param(change_baselines, id="resolution"),
    ],
)
async def test_a_change_between_reading_and_writing_a_digest_is_not_lost(
    engine: AsyncEngine,
    database: Database,
    unique: str,
    monkeypatch: pytest.MonkeyPatch,
    is_known: bool,
    change: Callable[[Connection, Customer], Awaitable[None]],
) -> None:
    customer = (unique, "cust_1")
    await detect(engine, [event(customer, 5, NOON)])
    if not is_known:
        await delete_digests(database)
    write, changes = digests.write, [change]

    async def write_after_change(*arguments: Any) -> None:
        if changes:
            async with transaction(engine) as other:
                await changes.pop()(other, customer)
        await write(*arguments)

    monkeypatch.setattr(digests, "write", write_after_change)
    await detect(engine, [event(customer, 7, NOON + 3_600_000)])
    assert not changes
    await assert_digests_are_exact(engine, expected=1)


async def delete_digests(database: Database) -> None:
    owner = await asyncpg.connect(database.owner_url)
    await owner.execute("DELETE FROM digests")
    await owner.close()


async def test_a_flagged_customers_digest_is_made_again(engine: AsyncEngine, unique: str) -> None:
    """Its flagged earnings left the baselines."""
    customer = (unique, "cust_1")
    await detect(engine, [event(customer, 5, NOON + n) for n in range(10)])
    await assert_digests_are_exact(engine, expected=0)
    await detect(engine, [event(customer, 5, NOON + MS_PER_DAY)])
    await assert_digests_are_exact(engine, expected=1)


async def test_a_batch_outdates_the_windows_of_the_previous_version(
    engine: AsyncEngine, unique: str
) -> None:
    """It keeps them in Redis, under the store's epoch, and they lack what this version recorded."""
    epochs = []
    for number in range(2):
        await detect(engine, [event((unique, "cust_1"), 5, NOON + number * MS_PER_DAY)])
        async with transaction(engine) as connection:
            epochs.append(await connection.fetchval("SELECT epoch FROM stores"))
    assert epochs == [1, 2]


async def test_a_digest_of_another_version_is_made_again(engine: AsyncEngine, unique: str) -> None:
    customer = (unique, "cust_1")
    await detect(engine, [event(customer, 5, NOON)])
    async with transaction(engine) as connection:
        await connection.execute("UPDATE digests SET digest = '[0,1]'")
    await detect(engine, [event(customer, 5, NOON + MS_PER_DAY)])
    await assert_digests_are_exact(engine, expected=1)


async def test_a_batch_of_many_stores_and_customers_takes_as_many_statements_as_one_customer(
    engine: AsyncEngine, unique: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    statements: list[str] = []

    @asynccontextmanager
    async def recorded(engine: AsyncEngine) -> AsyncIterator[Any]:
        async with transaction(engine) as connection:
            with connection.query_logger(lambda record: statements.append(record.query)):
                yield connection

    def suspicious(customer: Customer) -> list[EarningEvent]:
        """A burst, and an earning that is compared with the store's baseline."""
        burst = [event(customer, 100, NOON + number) for number in range(10)]
        return [*burst, event(customer, 100_000, NOON - MS_PER_DAY)]

    async def take(customers: Sequence[Customer]) -> list[str]:
        statements.clear()
        assert await detect(engine, [one for each in customers for one in suspicious(each)])
        return list(statements)

    monkeypatch.setattr(detection, "transaction", recorded)
    # The first batch on a connection also looks up its types.
    await take([(f"{unique}-0", "first")])
    one = await take([(f"{unique}-1", "cust_1")])
    many = await take([(f"{unique}-{store}", f"cust_{n}") for store in (2, 3, 4) for n in range(5)])
    assert many == one
    assert any("INSERT INTO anomalies" in statement for statement in many)
    async with transaction(engine) as connection:
        flagged = await connection.fetchval("SELECT count(*) FROM anomalies")
        marked = await connection.fetchval("SELECT count(*) FROM earnings WHERE by_store")
        excluded = await connection.fetchval("SELECT count(*) FROM earnings WHERE NOT normal")
    assert (flagged, marked, excluded) == (17, 17, 170)


async def test_a_baseline_reads_no_more_of_a_store_without_statistics(
    engine: AsyncEngine, database: Database, unique: str
) -> None:
    """As of a store whose history has just arrived: PostgreSQL would sort all of it."""
    owner = await asyncpg.connect(database.owner_url)
    await owner.execute("ALTER TABLE earnings SET (autovacuum_enabled = false)")
    await owner.execute(
        "INSERT INTO earnings (store_id, customer_id, occurred_at, id, points, revision, in_digest) "
        "SELECT $1, 'c' || n, timestamptz '2026-01-01Z' + n * interval '1 s', gen_random_uuid(), 1, 0, true "
        "FROM generate_series(1, 30000) n",
        unique,
    )
    await owner.close()
    async with transaction(engine) as connection:
        await earnings.store_baselines(connection, {(unique, "c"): [Earning("txn_1", 1, NOON)]})
        plan = await connection.fetch(
            f"EXPLAIN {earnings.STORE_BASELINES}", [unique], [earnings.moment(NOON)], 1_000, []
        )
    assert not [line for (line,) in plan if "Sort Key" in line or "Bitmap" in line], plan


async def test_large_first_earnings_in_one_batch_do_not_make_each_other_normal(
    engine: AsyncEngine, unique: str
) -> None:
    """Each is compared with the store's baseline, without the flagged ones before it."""
    normal = [event((unique, f"cust_{n}"), 200, NOON + n) for n in range(5)]
    await detect(engine, normal)
    large = [event((unique, f"new_{n}"), 50_000, NOON + 1_000 + n) for n in range(20)]
    await detect(engine, large)
    async with transaction(engine) as connection:
        flagged = await connection.fetchval("SELECT count(*) FROM anomalies")
    assert flagged == len(large)
