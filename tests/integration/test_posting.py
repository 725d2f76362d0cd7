"""The posting path on real PostgreSQL: claims, locks, and races between batches."""

import asyncio
import functools
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import asyncpg
import msgspec
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from libs.kernel.errors import Conflict
from libs.kernel.ids import uuid7
from libs.persistence import retry
from libs.persistence.batch import RequestResult
from libs.persistence.engine import transaction
from libs.persistence.errors import ConcurrentWrite
from libs.persistence.idempotency import Claim, StoredResponse
from libs.testing.eventually import eventually
from services.earning.domain.accounts import ManualEntry
from services.earning.domain.order_records import Order, OrderRecord
from services.earning.domain.postings import Duplicate
from services.earning.domain.refunds import Refund
from services.earning.handlers.posting import PostingRequest, post_batch
from services.earning.store import accounts, programs, refund_records
from services.earning.store import days as day_totals
from tests.integration.conftest import Database
from tests.integration.postings import NOON, STORE, award, engine, order, post, query, refund

__all__ = ["engine"]


async def test_a_batch_may_contain_duplicates_and_conflicts(engine: AsyncEngine) -> None:
    done = await post(engine, order(1), order(1), order(1, total="2.00"), order(2))
    kinds = [type(result) for result in done.results]
    assert kinds == [OrderRecord, Duplicate, Conflict, OrderRecord]


async def test_a_dry_run_has_the_same_outcomes_and_posts_nothing(
    engine: AsyncEngine, earning_database: Database
) -> None:
    await post(engine, order(1))
    request = PostingRequest(
        [order(1), order(2), award(5, "cust_2")],
        Claim(STORE, "key", b"digest"),
        lambda _results: StoredResponse(201, b"{}"),
    )
    (rehearsed,) = await post_batch(engine, [request], dry_run=True)
    assert await query(earning_database, "SELECT count(*) FROM entries") == 1
    assert await query(earning_database, "SELECT count(*) FROM idempotency_keys") == 0
    (done,) = await post_batch(engine, [request])
    assert isinstance(rehearsed, RequestResult)
    assert isinstance(done, RequestResult)
    assert [type(result) for result in rehearsed.results] == [Duplicate, OrderRecord, ManualEntry]
    assert [type(result) for result in done.results] == [Duplicate, OrderRecord, ManualEntry]
    assert rehearsed.response == done.response
    assert await query(earning_database, "SELECT sum(balance) FROM accounts") == 25


async def test_concurrent_batches_for_a_new_customer_all_post(
    engine: AsyncEngine, earning_database: Database
) -> None:
    """An account that does not exist cannot be locked."""
    await asyncio.gather(*(post(engine, award()) for _ in range(8)))
    assert await query(earning_database, "SELECT balance FROM accounts") == 8
    assert await query(earning_database, "SELECT max(sequence) FROM entries") == 8


async def test_concurrent_batches_with_one_order_of_two_customers_post_it_once(
    engine: AsyncEngine, earning_database: Database
) -> None:
    """No account lock is shared by the two batches: the order's key decides."""
    for number in range(20):
        one, other = await asyncio.gather(
            post(engine, order(number, "cust_1")), post(engine, order(number, "cust_2"))
        )
        results = [one.results[0], other.results[0]]
        assert sorted(type(result).__name__ for result in results) == ["Conflict", "OrderRecord"]
    assert await query(earning_database, "SELECT count(*) FROM entries") == 20


@pytest.mark.parametrize(
    "second",
    [
        pytest.param(lambda: refund(1), id="its refund"),
        pytest.param(lambda: order(1), id="the same order"),
    ],
)
async def test_an_order_that_creates_its_account_during_another_batch_belongs_to_its_customer(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch, second: Callable[[], Refund | Order]
) -> None:
    """The order commits after the second batch has looked for the account, which no lock can guard
    while it does not exist, and before that batch looks for the order."""
    lock_accounts, orders = accounts.lock, iter([order(1)])

    async def then_the_order_commits(connection: Any, keys: Any) -> Any:
        locked = await lock_accounts(connection, keys)
        for one in orders:
            await post_batch(engine, [PostingRequest([one])])
        return locked

    monkeypatch.setattr(accounts, "lock", then_the_order_commits)
    (done,) = await post_batch(engine, [PostingRequest([second()])])
    assert isinstance(done, RequestResult)
    (result,) = done.results
    assert not isinstance(result, Conflict), result


async def test_a_batch_may_change_some_orders_and_add_others(
    engine: AsyncEngine, earning_database: Database
) -> None:
    """Existing orders are written by another statement than new ones."""
    abroad = msgspec.structs.replace(order(1), currency="EUR")
    await post(engine, abroad, order(2))
    done = await post(engine, order(0), order(1), order(2), order(3))
    kinds = [type(result) for result in done.results]
    assert kinds == [OrderRecord, OrderRecord, Duplicate, OrderRecord]
    states = "SELECT string_agg(order_id || ' ' || state, ', ' ORDER BY order_id) FROM orders"
    assert await query(earning_database, states) == (
        "o0 counted, o1 counted, o2 counted, o3 counted"
    )
    assert await query(earning_database, "SELECT balance FROM accounts") == 40


async def test_texts_are_stored_unchanged(engine: AsyncEngine, earning_database: Database) -> None:
    """COPY has escape sequences: a backslash starts one, and a backslash with N is NULL."""
    signs = [
        r"\N",
        r"\\",
        r"\"",
        "null",
        r"\.",
        r"C:\new\table",
        "NULL",
        "None",
        "{}",
        ",",
        '"',
        "'",
        "ü\u00a0漢",
    ]
    orders = [
        msgspec.structs.replace(order(number), order_id=sign, reason=f"Order {sign}")
        for number, sign in enumerate(signs)
    ]
    await post(engine, *orders)
    stored = "SELECT array_agg({} ORDER BY id) FROM entries"
    assert await query(earning_database, stored.format("order_id")) == signs
    assert await query(earning_database, stored.format("reason")) == [f"Order {s}" for s in signs]
    done = await post(engine, *orders)
    assert {type(result) for result in done.results} == {Duplicate}


async def test_a_customer_is_a_member_since_the_earliest_event(
    engine: AsyncEngine, earning_database: Database
) -> None:
    since = "SELECT member_since FROM accounts"
    for number, days, expected in ((1, 0, 0), (2, 3, 0), (3, -2, -2), (4, -1, -2)):
        moment = NOON + timedelta(days=days)
        await post(engine, msgspec.structs.replace(order(number), occurred_at=moment))
        assert await query(earning_database, since) == NOON + timedelta(days=expected)


async def test_a_customer_is_active_once_on_each_day_in_any_order_of_events(
    engine: AsyncEngine, earning_database: Database
) -> None:
    """Its first posting on a day registers the customer, and no other one does."""
    registered = []
    for number, days in enumerate((0, 0, -1, 0, -1, 1, 0)):
        moment = NOON + timedelta(days=days)
        await post(engine, msgspec.structs.replace(order(number), occurred_at=moment))
        size = "SELECT sum(cardinality(account_ids)) FROM day_changes"
        registered.append(await query(earning_database, size))
        async with transaction(engine) as connection:
            await day_totals.fold(connection)
    assert registered == [1, 0, 1, 0, 0, 1, 0]
    active = "SELECT array_agg(active_customers ORDER BY day) FROM days"
    assert await query(earning_database, active) == [1, 1, 1]
    issued = "SELECT array_agg(issued ORDER BY day) FROM days"
    assert await query(earning_database, issued) == [20, 40, 10]


@pytest.mark.parametrize("optimistic", [False, True])
async def test_batches_that_touch_the_same_accounts_in_any_order_do_not_deadlock(
    engine: AsyncEngine, earning_database: Database, optimistic: bool
) -> None:
    customers = [f"cust_{number}" for number in range(40)]
    await post(engine, *(award(customer=one) for one in customers))
    batches = [customers if number % 2 else customers[::-1] for number in range(24)]
    await asyncio.gather(
        *(
            post(engine, *(award(customer=one) for one in batch), optimistic=optimistic)
            for batch in batches
        )
    )
    assert await query(earning_database, "SELECT min(balance) FROM accounts") == 25
    assert await query(earning_database, "SELECT max(balance) FROM accounts") == 25


@pytest.mark.parametrize("optimistic", [False, True])
async def test_accounts_are_locked_and_written_in_the_order_of_their_ids(
    engine: AsyncEngine, earning_database: Database, optimistic: bool
) -> None:
    """Also if their customers are in another order, in which they are read."""
    for customer in ("cust_b", "cust_a"):
        await post(engine, award(customer=customer))
    lock = "SELECT FROM accounts WHERE customer_id = $1 FOR NO KEY UPDATE NOWAIT"
    other = await asyncpg.connect(earning_database.owner_url)
    async with other.transaction():
        await other.execute(lock, "cust_b")
        awards = [award(customer=customer) for customer in ("cust_a", "cust_b")]
        batch = asyncio.create_task(post(engine, *awards, optimistic=optimistic))
        await eventually(functools.partial(_writers_wait, earning_database, count=1))
        await other.execute(lock, "cust_a")
    await batch
    await other.close()
    assert await query(earning_database, "SELECT array_agg(balance) FROM accounts") == [2, 2]


@pytest.mark.parametrize("locked", [True, False])
async def test_the_account_lock_keeps_concurrent_batches_from_losing_the_race(
    engine: AsyncEngine, earning_database: Database, monkeypatch: pytest.MonkeyPatch, locked: bool
) -> None:
    """Without the lock the second batch overwrites nothing either, but has to start over."""
    await post(engine, award())
    monkeypatch.setattr(retry, "ATTEMPTS", 1)
    if not locked:
        unlocked = accounts._LOCK.replace("FOR NO KEY UPDATE OF a", "")
        monkeypatch.setattr(accounts, "_LOCK", unlocked)
    blocker = await asyncpg.connect(earning_database.owner_url)
    async with blocker.transaction():
        await blocker.execute("LOCK TABLE entries IN SHARE MODE")  # inserting waits, reading not
        both = [asyncio.create_task(post(engine, award())) for _ in range(2)]
        await eventually(functools.partial(_writers_wait, earning_database, count=2))
    outcomes = await asyncio.gather(*both, return_exceptions=True)
    await blocker.close()
    lost = [one for one in outcomes if isinstance(one, ConcurrentWrite)]
    assert len(lost) == (0 if locked else 1)
    assert await query(earning_database, "SELECT balance FROM accounts") == 3 - len(lost)


@pytest.mark.parametrize("guarded", [True, False])
async def test_an_account_that_changed_since_it_was_read_is_read_again(
    engine: AsyncEngine, earning_database: Database, monkeypatch: pytest.MonkeyPatch, guarded: bool
) -> None:
    """Between two statements, the account is written twice, and its row is then in the same place as
    before. The second write is a refund that waits for the order, which the batch has just not found."""
    if not guarded:
        unguarded = accounts._UPDATE.replace("AND a.xmin = new.xmin", "")
        monkeypatch.setattr(accounts, "_UPDATE", unguarded)
    owner = await asyncpg.connect(earning_database.owner_url)
    read, read_waiting = accounts.read, refund_records.read_waiting
    first, second = iter([refund(99)]), iter([refund(1)])

    async def then_another_refund_arrives(connection: Any, keys: Any) -> Any:
        existing = await read(connection, keys)
        for one in first:
            await post(engine, one)
        return existing

    async def no_autovacuum() -> None:
        workers = """SELECT count(*) FROM pg_stat_activity
            WHERE datname = current_database() AND backend_type = 'autovacuum worker'"""
        assert await owner.fetchval(workers) == 0

    async def then_its_refund_arrives(connection: Any, keys: Any) -> Any:
        waiting = await read_waiting(connection, keys)
        for one in second if keys else ():
            # The version that was read is dead to every snapshot by now, but for an autovacuum's.
            await eventually(no_autovacuum)
            await owner.execute("VACUUM accounts")
            await post(engine, one)
            assert await owner.fetchval("SELECT ctid FROM accounts") == place
        return waiting

    # From its first update on, the row alternates between two places.
    await post(engine, award())
    await post(engine, award())
    place = await owner.fetchval("SELECT ctid FROM accounts")
    monkeypatch.setattr(accounts, "read", then_another_refund_arrives)
    monkeypatch.setattr(refund_records, "read_waiting", then_its_refund_arrives)
    (record,) = (await post(engine, order(1), optimistic=True)).results
    assert isinstance(record, OrderRecord)
    state = await owner.fetchval("SELECT state FROM refunds WHERE order_id = 'o1'")
    balance = await owner.fetchval("SELECT balance FROM accounts")
    await owner.close()
    assert (state, balance) == (("counted", 2) if guarded else ("waiting", 12))


async def _writers_wait(database: Database, *, count: int) -> None:
    """So many transactions have read their accounts and wait to write, one behind the other. On a
    connection without a transaction: inside one, the list of sessions does not change."""
    waiting = """SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid)
        WHERE datname = current_database() AND NOT granted"""
    assert await query(database, waiting) == count


async def test_one_key_posts_once_in_many_concurrent_batches(
    engine: AsyncEngine, earning_database: Database
) -> None:
    claim = Claim(STORE, "key", b"digest")

    def render(results: object) -> StoredResponse:
        return StoredResponse(201, uuid7().bytes)

    async def try_once() -> RequestResult:
        (done,) = await post_batch(engine, [PostingRequest([award()], claim, render)])
        assert isinstance(done, RequestResult)
        return done

    done = await asyncio.gather(*(try_once() for _ in range(16)))
    assert len({one.response.body for one in done if one.response}) == 1
    assert sum(not one.response.replayed for one in done if one.response) == 1
    assert await query(earning_database, "SELECT balance FROM accounts") == 1


async def test_entries_can_be_inserted_and_read_but_not_changed(
    engine: AsyncEngine, earning_database: Database
) -> None:
    await post(engine, award())
    for statement in ("UPDATE entries SET points = 2", "DELETE FROM entries"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await query(earning_database, statement)


async def test_a_posting_is_priced_by_the_rate_in_force_when_it_commits(
    engine: AsyncEngine,
) -> None:
    """A change waits for postings that have read the rate, and later postings wait for the change."""
    async with transaction(engine) as connection:
        present = await programs.lock_for_change(connection, STORE)
        posting = asyncio.create_task(post(engine, order(1)))
        await asyncio.sleep(0.2)
        assert not posting.done()
        (program,) = present.all
        changed = msgspec.structs.replace(program, points_per_dollar=Decimal(20), version=2)
        await programs.add_version(connection, STORE, changed, changed_by="test")
    (record,) = (await posting).results
    assert isinstance(record, OrderRecord)
    assert record.award == 20


async def test_a_thousand_postings_are_one_outbox_row(
    engine: AsyncEngine, earning_database: Database
) -> None:
    done = await post(engine, *(order(number, f"cust_{number % 9}") for number in range(1_000)))
    assert all(
        isinstance(one, OrderRecord) and one.entry_sequence is not None for one in done.results
    )
    assert await query(earning_database, "SELECT count(*) FROM outbox") == 1
    # One event per entry. No event for a tier: this program has none.
    assert await query(earning_database, "SELECT events FROM outbox") == 1_000
