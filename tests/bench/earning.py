"""The benchmarks of posting: a backlog, with and without the relay, and of one customer; how soon an
order is visible."""

import itertools
from collections.abc import Awaitable, Callable

from tests.bench import lean_loader
from tests.bench.backlog import CONSUMERS, tidy_ledger, work_off
from tests.bench.bench import Bench
from tests.bench.databases import create_program, lean_database, tidy
from tests.bench.figures import Figure
from tests.bench.latency import produced_to_committed, produced_to_visible
from tests.bench.orders import CUSTOMERS, customer_of
from tests.bench.outcome import Outcome, outcome
from tests.bench.turns import in_turns

_runs = itertools.count()


async def p1_backlog(bench: Bench) -> list[Outcome]:
    """P1: a backlog, two processes, against the lean loader."""
    await create_program(bench.stack.database("earning", owner=True))
    figures = await in_turns(
        bench, "P1 backlog", {"ours": backlog(bench), "limit": await lean(bench)}
    )
    return [outcome("P1 backlog", figures["ours"], figures["limit"], unit="orders/s")]


def backlog(bench: Bench) -> Callable[[], Awaitable[Figure]]:
    """Measures P1's backlog."""

    async def measure() -> Figure:
        await tidy_ledger(bench)
        return (await work_off(bench)).steady

    return measure


async def lean(bench: Bench) -> Callable[[], Awaitable[Figure]]:
    """Measures the lean loader with as many orders."""
    url = await lean_database(bench.stack)

    async def measure() -> Figure:
        run = next(_runs)
        orders = [(f"{run}-{n}", customer_of(n)) for n in range(bench.sizes.orders)]
        await tidy(url)
        return await lean_loader.load(bench, url, orders)

    return measure


async def p1r_relay(bench: Bench) -> list[Outcome]:
    """P1r: P1 until the relay has published everything, against P1 without the relay."""
    await create_program(bench.stack.database("earning", owner=True))

    async def measure(*roles: str) -> Figure:
        await tidy_ledger(bench)
        return (await work_off(bench, roles=(*CONSUMERS, *roles))).to_the_end

    name = "P1r backlog and relay"
    figures = await in_turns(
        bench,
        name,
        {"ours": lambda: measure("relay"), "limit": measure},
    )
    return [outcome(name, figures["ours"], figures["limit"], unit="orders/s")]


async def p1_during_the_books_check(bench: Bench) -> list[Outcome]:
    """The CPU time per order of P1 while a process checks the books, against P1 without."""
    await create_program(bench.stack.database("earning", owner=True))

    async def measure(*roles: str) -> Figure:
        await tidy_ledger(bench)
        return (await work_off(bench, roles=(*CONSUMERS, *roles))).steady.per_item

    name = "P1 during the books check"
    figures = await in_turns(
        bench, name, {"ours": lambda: measure("books-check"), "limit": measure}
    )
    return [outcome(name, figures["ours"], figures["limit"], unit="µs/order")]


async def p4_hot_customer(bench: Bench) -> list[Outcome]:
    """P4: all orders of one customer, one process, against the same spread over many."""
    await create_program(bench.stack.database("earning", owner=True))

    async def measure(customers: int) -> Figure:
        await tidy_ledger(bench)
        count = bench.sizes.single_orders
        return (await work_off(bench, processes=1, customers=customers, orders=count)).steady

    figures = await in_turns(
        bench,
        "P4 hot customer",
        {"ours": lambda: measure(1), "limit": lambda: measure(CUSTOMERS)},
    )
    return [outcome("P4 hot customer", figures["ours"], figures["limit"], unit="orders/s")]


async def p3_latency(bench: Bench) -> list[Outcome]:
    """P3: produced to visible at 1,000 orders per second, against bare produce, consume, commit."""
    await create_program(bench.stack.database("earning", owner=True))
    latencies = await in_turns(
        bench,
        "P3 latency",
        {"ours": lambda: produced_to_visible(bench), "limit": lambda: produced_to_committed(bench)},
    )
    dropped = sum(one.dropped for one in latencies["ours"])
    assert dropped == 0, f"{dropped} orders were dropped"
    return [
        outcome(
            f"P3 latency {name}",
            *([one.milliseconds(name) for one in latencies[side]] for side in ("ours", "limit")),
            unit="ms",
        )
        for name in ("p50", "p99")
    ]
