"""`verify` reports every altered row, and reports nothing for a consistent ledger."""

import asyncpg
import pytest

from tests.integration.conftest import Database
from tests.integration.test_posting import award, engine, order, post
from tools.ledger import verify

__all__ = ["engine"]


async def faults(database: Database) -> list[str]:
    connection = await asyncpg.connect(database.owner_url)
    try:
        return [fault async for fault in verify.faults(connection, lambda _: None)]
    finally:
        await connection.close()


async def alter(database: Database, sql: str) -> None:
    connection = await asyncpg.connect(database.owner_url)
    await connection.execute(sql)
    await connection.close()


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
        pytest.param(
            "UPDATE orders SET award = 11", ["award 11; its entry says 10"], id="a wrong award"
        ),
        pytest.param("DELETE FROM orders", ["the order o1 does not name it"], id="a missing order"),
        pytest.param(
            "DELETE FROM accounts", ["there is no such account"] * 3, id="a missing account"
        ),
    ],
)
async def test_verify_reports_each_inconsistent_row(
    engine: object, earning_database: Database, sql: str, expected: list[str]
) -> None:
    await post(engine, award(1))  # type: ignore[arg-type]
    await post(engine, order(1))  # type: ignore[arg-type]
    await post(engine, award(1))  # type: ignore[arg-type]
    await alter(earning_database, sql)
    reported = await faults(earning_database)
    assert len(reported) == len(expected), reported
    for fault, part in zip(reported, expected, strict=True):
        assert part in fault
