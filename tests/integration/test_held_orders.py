"""Reactivating an account that has more held orders than one batch posts."""

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine

from services.earning.domain import account_status
from services.earning.domain.account_status import StatusChange, StatusChangeOutcome
from services.earning.domain.postings import Duplicate
from tests.integration.conftest import Database
from tests.integration.postings import STORE, award, engine, order, post, query

__all__ = ["engine"]


def change(*, suspended: bool) -> StatusChange:
    return StatusChange(
        store_id=STORE, customer_id="cust_1", suspended=suspended, note=None, changed_by="test"
    )


async def test_held_orders_post_in_bounded_batches_before_the_account_is_active(
    engine: AsyncEngine, earning_database: Database
) -> None:
    run = lambda *postings: post(engine, *postings)  # noqa: E731
    await run(award(1))
    await run(change(suspended=True))
    total = account_status.MAX_HELD_ORDERS + 5
    for start in range(0, total, 500):
        await run(*(order(number) for number in range(start, min(start + 500, total))))
    assert (
        await query(earning_database, "SELECT count(*) FROM orders WHERE state = 'held'") == total
    )
    (first,) = (await run(change(suspended=False))).results
    assert isinstance(first, StatusChangeOutcome)
    assert not first.is_complete
    assert await query(earning_database, "SELECT suspended FROM accounts") is True
    (redelivered,) = (await run(order(3))).results
    assert isinstance(redelivered, Duplicate)
    (second,) = (await run(change(suspended=False))).results
    assert isinstance(second, StatusChangeOutcome)
    assert second.is_complete
    connection = await asyncpg.connect(earning_database.url)
    rows = await connection.fetch(
        "SELECT order_id FROM entries WHERE order_id IS NOT NULL ORDER BY sequence"
    )
    await connection.close()
    assert [row[0] for row in rows] == [f"o{number}" for number in range(total)]
    assert await query(earning_database, "SELECT suspended FROM accounts") is False
