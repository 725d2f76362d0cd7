"""The benchmarks of points that expire: orders that earn them, and the sweeper that posts what is due."""

import itertools
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final

from libs.kernel.clock import format_time
from tests.bench.backlog import follow, tidy_ledger, work_off_published
from tests.bench.bench import Bench
from tests.bench.databases import connected, create_program, let_points_expire
from tests.bench.figures import Figure
from tests.bench.orders import order_value, publish, publish_backlog
from tests.bench.outcome import Outcome, outcome
from tests.bench.servers import STORE, process
from tests.bench.turns import in_turns

# In STORE, no points expire.
_EXPIRING: Final = f"{STORE}_expiring"
# The hot customer has a lot of each of so many days.
_LOTS: Final = 300
# When the points of today have expired.
_LATER: Final = timedelta(days=400)
_ACCOUNTS_PER_SECOND: Final = 20_000.0

_MOVE_CLOCK: Final = "INSERT INTO store_clocks (store_id, shift_ms) VALUES ($1, $2)"
_COUNT_EVENTS: Final = "SELECT coalesce(sum(events), 0) FROM outbox"

_runs = itertools.count()


async def p1_with_expiry(bench: Bench) -> list[Outcome]:
    """P1 in a store whose points expire after 12 months, against a store that sets nothing."""
    await _create_stores(bench)
    name, count = "P1 with expiry", bench.sizes.orders

    async def measure(store: str) -> Figure:
        await tidy_ledger(bench)
        await publish_backlog(bench, count, store=store, completed_at=_today())
        return (await work_off_published(bench, count)).steady

    figures = await in_turns(
        bench, name, {"ours": partial(measure, _EXPIRING), "limit": partial(measure, STORE)}
    )
    return [outcome(name, figures["ours"], figures["limit"], unit="orders/s")]


async def p4_with_expiry(bench: Bench) -> list[Outcome]:
    """P4's hot customer with lots of many days, against the hot customer of a store that sets nothing."""
    await _create_stores(bench)
    for store in (_EXPIRING, STORE):
        await _post_history(bench, store)
    name, count = "P4 with expiry", bench.sizes.single_orders

    async def measure(store: str) -> Figure:
        await tidy_ledger(bench)
        await publish_backlog(bench, count, customers=1, store=store, completed_at=_today())
        return (await work_off_published(bench, count, processes=1)).steady

    figures = await in_turns(
        bench, name, {"ours": partial(measure, _EXPIRING), "limit": partial(measure, STORE)}
    )
    return [outcome(name, figures["ours"], figures["limit"], unit="orders/s")]


async def sweeper(bench: Bench) -> list[Outcome]:
    """Due accounts posted per second, all due at one instant, by one process whose intake is idle. The points of
    each account are one lot."""

    async def measure() -> Figure:
        await _make_accounts_due(bench)
        return await _sweep(bench)

    figures = await in_turns(bench, "sweeper", {"ours": measure})
    return [outcome("sweeper", figures["ours"], _ACCOUNTS_PER_SECOND, unit="accounts/s")]


async def _create_stores(bench: Bench) -> None:
    owner = bench.stack.database("earning", owner=True)
    for store in (_EXPIRING, STORE):
        await create_program(owner, store=store)
    await let_points_expire(owner, store=_EXPIRING)


async def _post_history(bench: Bench, store: str) -> None:
    """Post an order of the hot customer for each of the days before today."""
    days = [datetime.now(UTC) - timedelta(days=_LOTS - number) for number in range(_LOTS)]
    customer = "cust_0"
    orders = (
        (
            customer,
            order_value(f"day-{n}", customer, store=store, completed_at=format_time(day)),
        )
        for n, day in enumerate(days)
    )
    await publish(bench, _LOTS, orders, store=store)
    await work_off_published(bench, _LOTS, processes=1)


async def _make_accounts_due(bench: Bench) -> None:
    """Post an order of each customer of a new store, and move the store's clock to when the points have expired."""
    owner, store = bench.stack.database("earning", owner=True), f"{STORE}_swept_{next(_runs)}"
    await create_program(owner, store=store)
    await let_points_expire(owner, store=store)
    count = bench.sizes.due_accounts
    await publish_backlog(bench, count, customers=count, store=store, completed_at=_today())
    await work_off_published(bench, count)
    await tidy_ledger(bench)
    async with connected(owner) as connection:
        await connection.execute(_MOVE_CLOCK, store, _LATER // timedelta(milliseconds=1))


async def _sweep(bench: Bench) -> Figure:
    """Let a process sweep. What it posts on an account is one event; the outbox is empty before."""
    count = bench.sizes.due_accounts
    async with connected(bench.stack.database("earning", owner=True)) as connection:

        async def remaining() -> int:
            return count - int(await connection.fetchval(_COUNT_EVENTS))

        async with process(bench.stack, "earning", WHALE_ROLES="consumers,sweeper") as service:
            meter = bench.meter(service.pid)
            course = await follow(bench, remaining, meter, count, name="due accounts")
    return course.steady


def _today() -> str:
    """The start of the day, so that its points do not expire meanwhile."""
    return f"{datetime.now(UTC):%Y-%m-%d}T00:00:00Z"
