"""`verify` finds what was altered by hand, and says nothing of a ledger that is sound."""

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
    ("sql", "told"),
    [
        pytest.param("SELECT 1", [], id="nothing"),
        pytest.param(
            "UPDATE entries SET points = 999 WHERE sequence = 2",
            ["make 1000, not balance_after 11", "lifetime_after is 11, not 1000", "award 10"],
            id="a row altered",
        ),
        pytest.param(
            "DELETE FROM entries WHERE sequence = 2",
            ["the one before it has sequence 1", "not balance_after", "lifetime_after", "award 10"],
            id="a row missing",
        ),
        pytest.param(
            "DELETE FROM entries WHERE sequence = 3",
            ["its last entry says 11, 11, 2"],
            id="the last row missing",
        ),
        pytest.param(
            "UPDATE accounts SET balance = balance + 1", ["balance 13,"], id="a balance drifted"
        ),
        pytest.param(
            "UPDATE orders SET award = 11", ["award 11; its entry says 10"], id="an award"
        ),
        pytest.param(
            "DELETE FROM orders", ["the order o1 does not name it"], id="an order missing"
        ),
        pytest.param("DELETE FROM accounts", ["there is no such account"] * 3, id="no account"),
    ],
)
async def test_verify_tells_each_row_that_does_not_follow(
    engine: object, earning_database: Database, sql: str, told: list[str]
) -> None:
    await post(engine, award(1))  # type: ignore[arg-type]
    await post(engine, order(1))  # type: ignore[arg-type]
    await post(engine, award(1))  # type: ignore[arg-type]
    await alter(earning_database, sql)
    found = await faults(earning_database)
    assert len(found) == len(told), found
    for fault, part in zip(found, told, strict=True):
        assert part in fault
