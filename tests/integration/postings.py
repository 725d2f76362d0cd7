"""Postings of one store, and what its ledger has afterwards."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from decimal import Decimal

import asyncpg
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from libs.kernel.ids import uuid7
from libs.persistence.batch import RequestResult
from libs.persistence.engine import create_batch_engine, transaction
from services.earning.domain.awards import Award
from services.earning.domain.order_records import Order
from services.earning.domain.programs import Program
from services.earning.domain.refunds import Refund
from services.earning.handlers.posting import PostingRequest, post_batch
from services.earning.store import programs
from tests.integration.conftest import Database

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
STORE = "store_1"


@pytest.fixture
async def engine(earning_database: Database) -> AsyncIterator[AsyncEngine]:
    """The ledger's engine over empty tables, with a program of ten points a dollar."""
    engine = create_batch_engine(earning_database.url, name="test", connections=8)
    program = Program(
        id=uuid7(),
        version_id=0,
        name="Club",
        points_per_dollar=Decimal(10),
        currency="USD",
        is_active=True,
        created_at=NOON,
    )
    async with transaction(engine) as connection:
        await programs.create(connection, STORE, program, changed_by="test")
    yield engine
    await engine.dispose()


def order(number: int, customer: str = "cust_1", total: str = "1.00") -> Order:
    return Order(
        store_id=STORE,
        customer_id=customer,
        order_id=f"o{number}",
        total=Decimal(total),
        currency="USD",
        program_id=None,
        reason=f"Order {number}",
        occurred_at=NOON,
    )


def refund(number: int, customer: str = "cust_1") -> Refund:
    return Refund(
        store_id=STORE,
        customer_id=customer,
        order_id=f"o{number}",
        refund_id=f"r{number}",
        amount=None,
        occurred_at=NOON,
    )


def award(points: int = 1, customer: str = "cust_1") -> Award:
    return Award(
        store_id=STORE,
        customer_id=customer,
        points=points,
        reason="x",
        occurred_at=NOON,
        posted_by="test",
    )


async def post(
    engine: AsyncEngine, *postings: Order | Refund | Award, optimistic: bool = False
) -> RequestResult:
    (done,) = await post_batch(engine, [PostingRequest(postings)], optimistic=optimistic)
    assert isinstance(done, RequestResult)
    return done


async def query(database: Database, sql: str) -> object:
    connection = await asyncpg.connect(database.url)
    try:
        return await connection.fetchval(sql)
    finally:
        await connection.close()
