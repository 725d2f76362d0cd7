"""One account of the real ledger, with the methods of `tests.unit.earning.lifecycle_account.Account`.

Each method posts through the posting core. A clock of the test's own replaces the database's.
"""

import secrets
from collections.abc import AsyncIterator
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from libs.contracts.events import RewardRef
from libs.contracts.lifecycle import Expiry, Pending
from libs.kernel.errors import WhaleError
from libs.kernel.ids import uuid7
from libs.persistence.batch import RequestResult
from libs.persistence.engine import create_batch_engine, transaction
from services.earning.domain.account_status import StatusChange
from services.earning.domain.adjustments import Adjustment
from services.earning.domain.awards import Award
from services.earning.domain.dates import NEVER, Day, to_date
from services.earning.domain.debits import Cancellation, Debit
from services.earning.domain.due import CatchUp
from services.earning.domain.fulfillments import Fulfillment
from services.earning.domain.order_records import Order
from services.earning.domain.postings import Posting
from services.earning.domain.programs import Program
from services.earning.domain.refunds import Refund
from services.earning.domain.releases import Release
from services.earning.domain.resolutions import Resolution
from services.earning.handlers.posting import PostingRequest, Result, post_batch
from services.earning.store import programs
from tests.integration.conftest import Database
from tests.integration.ledger_clocks import RealClock, TestClock
from tests.integration.stored_account import StoredAccount
from tests.unit.earning.test_expiry_tables import START

CUSTOMER = "cust_1"


class LedgerAccount(StoredAccount):
    """An account of a store of its own, whose program gives `rate` points a dollar."""

    def __init__(
        self, engine: AsyncEngine, clock: TestClock | RealClock, *, zone_name: str = "UTC"
    ) -> None:
        super().__init__(engine, clock)
        self.program = Program(
            id=uuid7(),
            version_id=0,
            name="Club",
            points_per_dollar=Decimal(1),
            currency="USD",
            is_active=True,
            created_at=clock.now,
            time_zone=zone_name,
        )
        # The points of the awards with own dates.
        self.own: dict[str, int] = {}
        # Postings that `flush` posts in one batch; None if each is a batch.
        self.queue: list[Posting] | None = None

    async def open(self) -> None:
        async with transaction(self.engine) as connection:
            await programs.create(connection, self.store, self.program, changed_by="test")

    # What the store does.

    async def change(self, **changes: Any) -> None:
        """Add a version of the program, later than what was posted before."""
        await self.flush()
        if isinstance(self.clock, TestClock):
            self.clock.tick()
        self.program = msgspec.structs.replace(
            self.program, version=self.program.version + 1, **changes
        )
        async with transaction(self.engine) as connection:
            await programs.lock_for_change(connection, self.store)
            await programs.add_version(connection, self.store, self.program, changed_by="test")

    async def set_expiry(self, expiry: Expiry | None) -> None:
        await self.change(expiry=expiry)

    async def set_remind_days(self, *days: int) -> None:
        await self.change(remind_days=days)

    async def set_zone(self, name: str) -> None:
        await self.change(time_zone=name)

    async def set_active(self, *, is_active: bool) -> None:
        await self.change(is_active=is_active)

    async def set_pending(self, pending: Pending | None) -> None:
        await self.change(pending=pending)

    # What time does.

    def go_to(self, now: datetime) -> None:
        assert isinstance(self.clock, TestClock)
        assert now >= self.clock.now
        self.clock.now = now

    async def go_to_day(self, day: Day) -> None:
        """To noon of a day, or no further than now."""
        zone = (await self.epoch()).zone
        noon = datetime.combine(to_date(day), time(12), zone).astimezone(UTC)
        self.go_to(max(self.clock.now, noon))

    async def go_on(self, now: datetime) -> None:
        """Go to an instant, once what is queued is posted."""
        await self.flush()
        self.go_to(now)

    async def next_day(self, days: int = 1) -> None:
        self.go_to(self.clock.now + timedelta(days=days))

    # What callers post.

    async def post(self, posting: Posting, *, optimistic: bool = False) -> Result:
        """The outcome of the posting; a refusal too."""
        (done,) = await post_batch(self.engine, [PostingRequest([posting])], optimistic=optimistic)
        assert isinstance(done, RequestResult)
        (result,) = done.results
        return result

    async def flush(self) -> None:
        """Post what is queued, in one batch."""
        postings, self.queue = self.queue, None if self.queue is None else []
        if postings:
            (done,) = await post_batch(self.engine, [PostingRequest(postings)])
            assert isinstance(done, RequestResult)
            assert not [result for result in done.results if isinstance(result, WhaleError)]

    async def post_applied(self, posting: Posting, *, optimistic: bool = False) -> None:
        if self.queue is not None:
            self.queue.append(posting)
            return
        result = await self.post(posting, optimistic=optimistic)
        if isinstance(result, WhaleError):
            raise result

    async def touch(self) -> None:
        await self.post_applied(CatchUp(self.store, CUSTOMER))

    async def earn(
        self,
        name: str,
        points: int,
        *,
        available: Day | None = None,
        last_day: Day | None = None,
        own: bool = False,
    ) -> None:
        """An order, or an award with a date of its own. Without `own`, `last_day` is reached by a period of
        so many days."""
        if own or last_day == NEVER:
            await self.award(name, points, last_day)
            return
        if last_day is not None:
            days = last_day - await self.today()
            period = Expiry(kind="after", days=days)
            if self.program.expiry is not None:
                returned = self.program.expiry.returned_days
                period = msgspec.structs.replace(period, returned_days=returned)
            await self.set_expiry(period)
        occurred_at = self.clock.now
        if available is not None and available != await self.today():
            noon = time(12, tzinfo=UTC)
            occurred_at = datetime.combine(to_date(available), noon)
        await self.order(name, Decimal(points), occurred_at=occurred_at)

    async def order(
        self, name: str, total: Decimal, *, occurred_at: datetime | None = None
    ) -> None:
        await self.post_applied(
            Order(
                self.store,
                CUSTOMER,
                name,
                total,
                "USD",
                None,
                f"Order {name}",
                occurred_at or self.clock.now,
            ),
            optimistic=True,
        )

    async def award(self, name: str, points: int, last_day: Day | None) -> None:
        await self.post_applied(
            Award(
                store_id=self.store,
                customer_id=CUSTOMER,
                points=points,
                reason=f"Award {name}",
                occurred_at=self.clock.now,
                posted_by="test",
                last_day=last_day,
            )
        )
        self.own[name] = points

    async def adjust(self, points: int, *, last_day: Day | None = None) -> None:
        await self.post_applied(
            Adjustment(
                store_id=self.store,
                customer_id=CUSTOMER,
                points=points,
                reason="Correction",
                occurred_at=self.clock.now,
                posted_by="test",
                last_day=last_day,
            )
        )

    async def redeem(self, name: str, points: int) -> None:
        await self.post_applied(
            Debit(
                store_id=self.store,
                customer_id=CUSTOMER,
                redemption_id=f"{self.store} {name}",
                points=points,
                reward=RewardRef("rwd_1", "Coffee"),
                min_tier=None,
                occurred_at=self.clock.now,
            )
        )

    async def cancel(self, name: str) -> None:
        await self.post_applied(
            Cancellation(
                store_id=self.store,
                customer_id=CUSTOMER,
                redemption_id=f"{self.store} {name}",
                occurred_at=self.clock.now,
            )
        )

    async def refund(self, name: str, amount: int | Decimal | None) -> None:
        """A refund of an order; an award with a date of its own is voided as a whole."""
        if name in self.own:
            assert amount == self.own[name]
            await self.void({name: self.own[name]})
            return
        await self.post_applied(
            Refund(
                store_id=self.store,
                customer_id=CUSTOMER,
                order_id=name,
                refund_id=secrets.token_hex(4),
                amount=None if amount is None else Decimal(amount),
                occurred_at=self.clock.now,
            )
        )

    async def void(self, remainders: dict[str, int]) -> None:
        """Void awards, each as a whole."""
        await self.flush()
        ids = [await self.transaction_of(name) for name in remainders]
        await self.post_applied(
            Resolution(
                store_id=self.store,
                customer_id=CUSTOMER,
                anomaly_id=f"anom_{secrets.token_hex(8)}",
                action="voided",
                transaction_ids=tuple(ids),
                reason="Voided",
                note=None,
                resolved_by="test",
                occurred_at=self.clock.now,
            )
        )

    async def suspend(self) -> None:
        await self._set_status(suspended=True)

    async def reinstate(self) -> None:
        await self._set_status(suspended=False)

    async def _set_status(self, *, suspended: bool) -> None:
        await self.post_applied(
            StatusChange(
                store_id=self.store,
                customer_id=CUSTOMER,
                suspended=suspended,
                note=None,
                changed_by="test",
            )
        )

    async def fulfill(self, name: str, fulfilled_at: datetime | None = None) -> Result:
        return await self.post(
            Fulfillment(
                store_id=self.store,
                customer_id=CUSTOMER,
                order_id=name,
                fulfilled_at=fulfilled_at or self.clock.now,
            )
        )

    async def release(self, name: str) -> Result:
        return await self.post(Release(store_id=self.store, customer_id=CUSTOMER, order_id=name))

    # What the ledger has.

    async def transaction_of(self, name: str) -> str:
        """The transaction of an award, or the one that an order names."""
        if name in self.own:
            query = "SELECT id FROM entries WHERE store_id = $1 AND reason = 'Award ' || $2"
            return f"txn_{(await self.fetch(query, self.store, name))[0]['id']}"
        ((entry_id,),) = await self.fetch(
            """
            SELECT e.id FROM orders o
            LEFT JOIN pending_awards p USING (store_id, order_id)
            JOIN entries e ON e.account_id = o.account_id
                AND e.sequence = coalesce(p.earn_sequence, o.entry_sequence)
            WHERE o.store_id = $1 AND o.order_id = $2
            """,
            self.store,
            name,
        )
        return f"txn_{entry_id}"


async def open_account(
    engine: AsyncEngine, clock: TestClock, *, zone_name: str = "UTC", **settings: Any
) -> LedgerAccount:
    account = LedgerAccount(engine, clock, zone_name=zone_name)
    await account.open()
    await account.change(**settings)
    return account


@pytest.fixture
async def engine(earning_database: Database) -> AsyncIterator[AsyncEngine]:
    engine = create_batch_engine(earning_database.url, name="test", connections=8)
    yield engine
    await engine.dispose()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> TestClock:
    return TestClock(START, monkeypatch)
