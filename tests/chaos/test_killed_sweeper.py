"""The sweeper killed at each named point, and then run by two processes: each change is posted once."""

import secrets
from datetime import timedelta
from decimal import Decimal
from typing import Any

import asyncpg
import msgspec
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from libs.contracts.lifecycle import Expiry, Pending
from libs.kernel.clock import utc_now
from libs.kernel.ids import uuid7
from libs.persistence.engine import create_batch_engine, transaction
from libs.testing.eventually import eventually
from services.earning.domain.order_records import Order
from services.earning.domain.programs import Program
from services.earning.handlers.posting import PostingRequest, post_batch
from services.earning.store import clock, programs
from services.earning.store.clock import Clock
from tests.chaos.alone import dies, healthy, start
from tests.chaos.killable import POINTS
from tests.support import Stack, ledger_faults

CUSTOMERS = 20
SWEEPER: dict[str, Any] = {"WHALE_ROLES": "sweeper"}


class SweptStore:
    """A store in which points expire: those of half its customers without a posting since the setting."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.id = f"store_{secrets.token_hex(6)}"
        self._engine = engine
        self._program = Program(
            id=uuid7(),
            version_id=0,
            name="Club",
            points_per_dollar=Decimal(10),
            currency="USD",
            is_active=True,
            created_at=utc_now(),
        )

    async def fill(self) -> None:
        async with transaction(self._engine) as connection:
            await programs.create(connection, self.id, self._program, changed_by="test")
        await self._post_orders("untouched")
        settings = {"expiry": Expiry(kind="after", days=10), "pending": Pending(days=2)}
        await self._change(**settings)
        await self._post_orders("waiting")
        async with transaction(self._engine) as connection:
            await programs.lock_for_change(connection, self.id)
            await clock.move(connection, self.id, Clock(utc_now(), timedelta(days=30)))

    async def _change(self, **settings: Any) -> None:
        program = msgspec.structs.replace(self._program, version=2, **settings)
        async with transaction(self._engine) as connection:
            await programs.lock_for_change(connection, self.id)
            await programs.add_version(connection, self.id, program, changed_by="test")

    async def _post_orders(self, group: str) -> None:
        orders = [
            Order(
                self.id,
                f"{group}_{number}",
                f"{group}-{number}",
                Decimal(10),
                "USD",
                None,
                "Order",
                utc_now(),
            )
            for number in range(CUSTOMERS)
        ]
        await post_batch(self._engine, [PostingRequest(orders)])

    async def count(self) -> dict[str, int]:
        query = "SELECT type, count(*) FROM entries WHERE store_id = $1 GROUP BY type"
        async with transaction(self._engine) as connection:
            return {row[0]: row[1] for row in await connection.fetch(query, self.id)}

    async def is_swept(self) -> bool:
        query = """
        SELECT NOT EXISTS (SELECT FROM store_visits WHERE store_id = $1)
           AND NOT EXISTS (SELECT FROM accounts WHERE store_id = $1 AND (due_at IS NOT NULL OR balance <> 0))
        """
        async with transaction(self._engine) as connection:
            return bool(await connection.fetchval(query, self.id))


@pytest.mark.parametrize("point", POINTS["earning sweeper"])
async def test_the_sweeper_killed_at_a_named_point(bare_stack: Stack, point: str) -> None:
    engine = create_batch_engine(bare_stack.database("earning"), name="test")
    store = SweptStore(engine)
    await store.fill()
    await dies(await start(bare_stack, dying=("earning sweeper", point, "1"), **SWEEPER))
    assert not await store.is_swept()
    async with healthy(bare_stack, **SWEEPER), healthy(bare_stack, **SWEEPER):
        await eventually(store.is_swept, every=0.2)
    assert await store.count() == {
        "pend": CUSTOMERS,
        "earn": 2 * CUSTOMERS,
        "expire": 2 * CUSTOMERS,
    }
    await engine.dispose()
    connection = await asyncpg.connect(bare_stack.database("earning", owner=True))
    assert await ledger_faults(connection) == []
    await connection.close()
