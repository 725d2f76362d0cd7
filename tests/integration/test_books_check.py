"""`verify` and the books check report every altered row, and nothing for a consistent ledger."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import asyncpg
import pytest
from prometheus_client import REGISTRY
from sqlalchemy.ext.asyncio import AsyncEngine

from libs.persistence.engine import statement, transaction
from libs.testing.eventually import eventually
from services.earning.handlers.books_check import books_checker
from services.earning.store import books_check
from tests.integration.conftest import Database
from tests.integration.postings import award, engine, order, post
from tests.support import ledger_faults

__all__ = ["engine"]


async def faults(database: Database) -> list[str]:
    connection = await asyncpg.connect(database.owner_url)
    try:
        return await ledger_faults(connection)
    finally:
        await connection.close()


async def alter(database: Database, sql: str) -> None:
    connection = await asyncpg.connect(database.owner_url)
    await connection.execute(sql)
    await connection.close()


@pytest.mark.parametrize("rows", [1, 20_000], ids=["slices of one row", "one slice"])
@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        pytest.param("SELECT 1", [], id="nothing"),
        pytest.param(
            "UPDATE entries SET points = 999 WHERE sequence = 2",
            ["are 1000, not balance_after 11", "lifetime_after is 11, not 1000", "award 10"],
            id="an altered row",
        ),
        pytest.param(
            "DELETE FROM entries WHERE sequence = 2",
            [
                "the entry before it has sequence 1",
                "not balance_after",
                "lifetime_after",
                "award 10",
            ],
            id="a missing row",
        ),
        pytest.param(
            "DELETE FROM entries WHERE sequence = 3",
            ["its last entry says 11, 11, 2"],
            id="a missing last row",
        ),
        pytest.param(
            "UPDATE accounts SET balance = balance + 1", ["balance 13,"], id="a wrong balance"
        ),
        pytest.param("UPDATE orders SET award = 11", ["its entry says 10"], id="a wrong award"),
        pytest.param(
            "UPDATE orders SET voided_points = 11",
            ["0 voided; its awards say 0 and 11", "11 of it clawed back"],
            id="more clawed back than earned",
        ),
        pytest.param("DELETE FROM orders", ["the order o1 does not name it"], id="a missing order"),
        pytest.param(
            "DELETE FROM accounts", ["there is no such account"] * 3, id="a missing account"
        ),
    ],
)
async def test_verify_reports_each_inconsistent_row(
    engine: AsyncEngine,
    earning_database: Database,
    monkeypatch: pytest.MonkeyPatch,
    rows: int,
    sql: str,
    expected: list[str],
) -> None:
    monkeypatch.setattr(books_check, "_ROWS", rows)
    await post(engine, award(1))
    await post(engine, order(1))
    await post(engine, award(1))
    await alter(earning_database, sql)
    reported = await faults(earning_database)
    assert len(reported) == len(expected), reported
    for fault, part in zip(reported, expected, strict=True):
        assert part in fault


@asynccontextmanager
async def checking(engine: AsyncEngine) -> AsyncIterator[None]:
    """Check the books all the time."""
    task = books_checker(engine, rest_seconds=0.01, pause=0)
    await task.start()
    try:
        yield
    finally:
        await task.stop()


def exported(metric: str) -> float:
    value = REGISTRY.get_sample_value(metric)
    assert value is not None
    return value


async def test_the_books_check_exports_a_fault_until_a_complete_pass_does_not_find_it(
    engine: AsyncEngine, earning_database: Database
) -> None:
    for _ in range(3):
        await post(engine, award(1))

    async def is_proven() -> bool:
        return exported("whale_ledger_proven_timestamp_seconds") > 0

    async def has_fault() -> bool:
        return exported("whale_ledger_faults") == 1

    async def has_no_fault() -> bool:
        return exported("whale_ledger_faults") == 0

    async with checking(engine):
        await eventually(is_proven)
        assert exported("whale_ledger_faults") == 0
        await alter(earning_database, "UPDATE accounts SET balance = balance + 1")
        await eventually(has_fault)
        await alter(earning_database, "UPDATE accounts SET balance = balance - 1")
        await eventually(has_no_fault)


async def test_a_pass_goes_on_where_a_stopped_process_left_it(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(books_check, "_ROWS", 1)
    for _ in range(3):
        await post(engine, order(1))
    task = books_checker(engine, rest_seconds=60, pause=1e6)
    await task.start()

    async def has_begun() -> bool:
        async with statement(engine) as connection:
            return (await books_check.read_pass(connection)).place is not None

    await eventually(has_begun)
    await task.stop()
    places = []

    async def record(connection: object, place: books_check.Place) -> books_check.Slice:
        places.append(place)
        return await check_slice(connection, place)  # type: ignore[arg-type]

    check_slice = books_check.check_slice
    monkeypatch.setattr(books_check, "check_slice", record)

    async with checking(engine):
        await eventually(partial(is_complete, engine))
    assert places[0] != books_check.START


async def is_complete(engine: AsyncEngine) -> bool:
    async with statement(engine) as connection:
        return (await books_check.read_pass(connection)).proven_at is not None


async def test_one_process_checks_at_a_time(engine: AsyncEngine) -> None:
    async with transaction(engine) as other_process:
        assert await books_check.try_lock(other_process)
        async with checking(engine):
            await asyncio.sleep(0.2)
            assert not await is_complete(engine)
    async with checking(engine):
        await eventually(partial(is_complete, engine))
