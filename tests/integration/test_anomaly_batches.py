"""Detection on PostgreSQL and Redis: the screenings of windows, and the statements of a batch."""

import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncEngine

from libs.contracts.anomalies import AnomalySettings, Deviation, RapidEarning
from libs.kernel.clock import format_time
from libs.persistence.engine import create_batch_engine, transaction
from services.anomaly.domain.earnings import MS_PER_DAY, MS_PER_SECOND, RecordedEarning, in_order
from services.anomaly.domain.windows import window_contents
from services.anomaly.handlers import detection
from services.anomaly.handlers.detection import detect
from services.anomaly.store import earnings
from services.anomaly.store.earnings import Customer, EarningEvent
from services.anomaly.store.windows import Windows, WindowUpdate
from tests.integration.conftest import empty_database
from tests.support import Stack
from tests.unit.anomaly.earnings import NOON
from tests.unit.anomaly.screenings import screening_of

SETTINGS = AnomalySettings(
    rapid_earning=RapidEarning(count=3, window_seconds=60),
    deviation=Deviation(min_days=2, score=Decimal(1)),
)
CUSTOMERS = 40
BATCHES = 25


@pytest.fixture
async def windows(stack: Stack) -> AsyncIterator[Windows]:
    redis = Redis.from_url(stack.addresses.redis)
    yield Windows(redis)
    await redis.aclose()


@pytest.fixture
async def engine(stack: Stack, unique: str) -> AsyncIterator[AsyncEngine]:
    database = await empty_database(stack, "anomaly", unique)
    engine = create_batch_engine(database.url, name="test")
    yield engine
    await engine.dispose()


def event(customer: Customer, points: int, at: int) -> EarningEvent:
    moment = format_time(earnings.moment(at))
    return EarningEvent(*customer, f"txn_{uuid4()}", points, at, moment)


def update(
    customer: Customer, events: Sequence[EarningEvent], history: list[RecordedEarning] | None = None
) -> WindowUpdate:
    return WindowUpdate(
        customer=customer,
        epoch=0,
        count=SETTINGS.rapid_earning.count,
        window_ms=SETTINGS.rapid_earning.window_seconds * MS_PER_SECOND,
        events=events,
        contents=None
        if history is None
        else window_contents(SETTINGS, history, [one.earning for one in events]),
    )


async def test_windows_report_the_screenings_of_the_definition(
    windows: Windows, unique: str
) -> None:
    """Small random batches of many customers, late ones and duplicates among them."""
    seed = random.randrange(10**6)
    print("seed", seed)
    choose = random.Random(seed)
    histories: dict[Customer, list[RecordedEarning]] = {
        (unique, f"cust_{number}"): [] for number in range(CUSTOMERS)
    }
    clocks = dict.fromkeys(histories, NOON)
    missing = compared = 0
    for _ in range(BATCHES):
        for customer, history in histories.items():
            events = []
            for _ in range(choose.choice([1, 1, 2, 3])):
                step = choose.choice([0, 1, 59_999, 60_000, 60_001, 3_600_000, MS_PER_DAY, -5_000])
                clocks[customer] += step
                events.append(event(customer, choose.randint(1, 9), clocks[customer]))
            (screening,) = await windows.add([update(customer, events)])
            if screening is None:
                (screening,) = await windows.add([update(customer, events, history)])
                missing += 1
            expected = screening_of(SETTINGS, history, [one.earning for one in events])
            assert screening == expected, seed
            compared += not expected.is_late
            recorded = [one.earning for one in history] + [one.earning for one in events]
            histories[customer] = [RecordedEarning(one, 0, True) for one in in_order(recorded)]
            # As detection does it: an earlier day changes the limit of the latest one.
            latest = histories[customer][-1].earning.day
            if any(one.earning.day < latest for one in events):
                await windows.delete([(customer, 0)])
    assert missing > CUSTOMERS
    assert compared > CUSTOMERS * BATCHES / 4


async def test_a_batch_of_many_stores_and_customers_takes_as_many_statements_as_one_customer(
    engine: AsyncEngine, windows: Windows, unique: str, monkeypatch: pytest.MonkeyPatch
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
        assert await detect(
            engine, windows, [one for each in customers for one in suspicious(each)]
        )
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


async def test_large_first_earnings_in_one_batch_do_not_make_each_other_normal(
    engine: AsyncEngine, windows: Windows, unique: str
) -> None:
    """Each is compared with the store's baseline, without the flagged ones before it."""
    normal = [event((unique, f"cust_{n}"), 200, NOON + n) for n in range(5)]
    await detect(engine, windows, normal)
    large = [event((unique, f"new_{n}"), 50_000, NOON + 1_000 + n) for n in range(20)]
    await detect(engine, windows, large)
    async with transaction(engine) as connection:
        flagged = await connection.fetchval("SELECT count(*) FROM anomalies")
    assert flagged == len(large)
