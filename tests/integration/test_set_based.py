"""A batch takes the same statements, whatever its size."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from libs.persistence import batch
from libs.persistence.engine import transaction
from services.earning.domain.account_status import StatusChange
from services.earning.domain.order_records import Order
from services.earning.domain.postings import Posting
from services.earning.store import programs
from tests.integration.conftest import Database
from tests.integration.postings import NOON, STORE, award, engine, order, post, query, refund
from tests.unit.earning.test_programs import program

__all__ = ["engine"]

OTHER_STORES = ("store_2", "store_3")


@pytest.fixture
async def other_stores(engine: AsyncEngine) -> None:
    async with transaction(engine) as connection:
        for store in OTHER_STORES:
            await programs.create(connection, store, program(tiers=()), changed_by="test")


class Statements:
    """Posts batches, and records the statements that each of them takes."""

    def __init__(self, engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch) -> None:
        """The first batch on a connection also looks up its types: post one before counting."""
        self._engine = engine
        self._statements: list[str] = []
        monkeypatch.setattr(batch, "transaction", self._recorded_transaction)

    async def of(self, *postings: Posting) -> list[str]:
        self._statements.clear()
        await post(self._engine, *postings)  # type: ignore[arg-type]
        return list(self._statements)

    @asynccontextmanager
    async def _recorded_transaction(self, engine: AsyncEngine) -> AsyncIterator[Any]:
        async with transaction(engine) as connection:
            with connection.query_logger(lambda record: self._statements.append(record.query)):
                yield connection


def orders_of(store: str, days: int, customers: Sequence[str]) -> list[Order]:
    return [
        msgspec.structs.replace(
            order(day, customer),
            store_id=store,
            order_id=f"{store} {customer} {day}",
            occurred_at=NOON - timedelta(days=day),
        )
        for day in range(days)
        for customer in customers
    ]


@pytest.mark.usefixtures("other_stores")
async def test_orders_of_many_stores_and_days_take_as_many_statements_as_one_order(
    engine: AsyncEngine, earning_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    statements = Statements(engine, monkeypatch)
    await statements.of(order(0, "first"))
    # Both batches also have orders of earlier days, after those of later ones.
    one = await statements.of(order(1, "second"), *orders_of(STORE, 2, ["second"]))
    customers = [f"cust_{number}" for number in range(5)]
    many = await statements.of(
        *(order for store in (STORE, *OTHER_STORES) for order in orders_of(store, 7, customers))
    )
    assert many == one
    days = "SELECT count(*) FROM day_changes WHERE cardinality(account_ids) = 5 AND issued = 50"
    assert await query(earning_database, days) == 3 * 7


async def test_reactivated_accounts_and_refunds_take_as_many_statements_as_one(
    engine: AsyncEngine, earning_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    statements = Statements(engine, monkeypatch)
    customers = [f"cust_{number}" for number in range(7)]
    await post(engine, *(award(customer=customer) for customer in customers))
    await statements.of(*(status(customer, suspended=True) for customer in customers))
    await post(engine, *(order(number, customer) for number, customer in enumerate(customers)))
    await statements.of(status("cust_0", suspended=False), refund(0, "cust_0"))
    one = await statements.of(status("cust_1", suspended=False), refund(1, "cust_1"))
    many = await statements.of(
        *(status(customer, suspended=False) for customer in customers[2:]),
        *(refund(number, customer) for number, customer in enumerate(customers) if number > 1),
    )
    assert many == one
    assert await query(earning_database, "SELECT count(*) FROM entries WHERE type = 'refund'") == 7


def status(customer: str, *, suspended: bool) -> StatusChange:
    return StatusChange(
        store_id=STORE, customer_id=customer, suspended=suspended, note=None, changed_by="test"
    )
