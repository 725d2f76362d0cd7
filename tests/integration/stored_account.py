"""What the real ledger has of an account."""

import json
import secrets
from datetime import UTC
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from libs.persistence.engine import transaction
from services.earning.domain import cycles, entry_lots, lots
from services.earning.domain.cycles import Cycle
from services.earning.domain.dates import NEVER, Day
from services.earning.domain.expiry import Epoch
from services.earning.domain.timelines import Timeline
from services.earning.handlers.ledger_events import unpack
from services.earning.store import books_check, programs, timelines
from tests.integration.ledger_clocks import RealClock, TestClock
from tests.unit.earning.lifecycle_account import Row


class StoredAccount:
    """What the ledger has of one account, the only one of its store."""

    def __init__(self, engine: AsyncEngine, clock: TestClock | RealClock) -> None:
        self.engine = engine
        self.clock = clock
        self.store = f"store_{secrets.token_hex(6)}"

    async def fetch(self, query: str, *values: Any) -> list[Any]:
        async with transaction(self.engine) as connection:
            return list(await connection.fetch(query, *values))

    async def entries(self) -> list[Any]:
        return await self.fetch(
            "SELECT * FROM entries WHERE store_id = $1 ORDER BY sequence", self.store
        )

    async def events(self, topic: str) -> list[dict[str, Any]]:
        """The contents of the store's events of a topic that wait to be published."""
        return [
            content
            for row in await self.fetch("SELECT payload FROM outbox ORDER BY id")
            for event in unpack(row["payload"])
            if event.topic == topic
            and (content := json.loads(event.value))["store_id"] == self.store
        ]

    async def rows(self) -> list[Row]:
        return [
            Row(
                row["sequence"],
                row["type"],
                row["points"],
                () if row["lots"] is None else tuple(entry_lots.decode(row["lots"]).parts),
                row["covered"] or 0,
                occurred_at=row["occurred_at"].astimezone(UTC),
            )
            for row in await self.entries()
        ]

    async def account(self) -> Any:
        (row,) = await self.fetch("SELECT * FROM accounts WHERE store_id = $1", self.store)
        return row

    async def cycle(self) -> Cycle | None:
        data = (await self.account())["cycle"]
        return None if data is None else cycles.decode(data)

    async def visible_lots(self) -> dict[Day, int]:
        """The lots as callers see them: dates that are not in force are not shown."""
        account = await self.account()
        cycle = await self.cycle()
        if cycle is None:
            return {NEVER: account["balance"]} if account["balance"] > 0 else {}
        assert lots.total(cycle.lots) == max(account["balance"], 0)
        epoch = (await self.timeline()).epochs[cycle.epoch]
        without = cycle.without_date(epoch)
        return cycle.expirations(epoch) | ({NEVER: without} if without else {})

    async def timeline(self) -> Timeline:
        async with transaction(self.engine) as connection:
            in_force = await programs.read(connection, [self.store])
            return (await timelines.read(connection, [self.store], in_force))[self.store]

    async def epoch(self) -> Epoch:
        return (await self.timeline()).epochs[-1]

    async def today(self) -> Day:
        return (await self.epoch()).day(self.clock.now)


async def faults(account: StoredAccount) -> list[str]:
    """What `verify` reports."""
    async with transaction(account.engine, isolation="repeatable_read") as connection:
        return [
            fault async for slice_ in books_check.check_all(connection) for fault in slice_.faults
        ]
