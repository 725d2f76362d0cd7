"""`demo`: publish the history, wait for the ledger, compare every balance, and tell."""

import argparse
import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import asyncpg
from msgspec import Struct
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from tools.demo import expected, history
from tools.demo.expected import STEPS
from tools.demo.history import HistoryMissing, Purchase
from tools.demo.publish import STORE, publish, wait_until_consumed
from tools.progress import bars
from tools.stack import config, seed, services, state
from tools.stack.errors import StackError

_RICHEST: Final = 5


class Books(Struct, frozen=True):
    """What the ledger says of the demo's store."""

    orders: int
    entries: int
    points: int
    balances: Mapping[str, int]


def register(commands: Any) -> None:
    """Add the command."""
    command = commands.add_parser("demo", help="a real shop's order history, exact to the point")
    command.add_argument("-n", type=int, metavar="N", help="the first N orders only")
    command.set_defaults(run=run)


def run(asked: argparse.Namespace) -> int:
    """Run the demo against the stack that is up; exit code 1 unless every balance is exact."""
    settings = config.settings()
    if not state.is_running(settings.folder):
        raise StackError("The stack is not up. Start it with `make up`.")
    try:
        purchases = history.read(history.find_file(), first=asked.n)
    except HistoryMissing as error:
        raise StackError(str(error)) from error
    secrets = config.stack_secrets(settings.folder)
    where = services.addresses(settings, secrets)
    return asyncio.run(_demo(where, secrets, purchases))


async def _demo(
    where: services.Addresses, secrets: config.Secrets, purchases: Sequence[Purchase]
) -> int:
    console = Console(highlight=False)
    key = await seed.run_key_command(where, secrets, "create", "--store", STORE, "--name", "demo")
    await seed.create_program(where, key.splitlines()[-1])
    database = services.database_url(where, secrets, "earning")
    before = await _read_books(database)
    started = time.monotonic()
    with bars(console) as progress:
        await _with_bar(
            progress,
            "published",
            len(purchases),
            lambda advance: publish(where.kafka, purchases, advance, security=where.kafka_security),
        )
        bar = progress.add_task("posted   ", total=len(purchases))
        await wait_until_consumed(
            where.kafka,
            lambda left: progress.update(bar, completed=max(len(purchases) - left, 0)),
            security=where.kafka_security,
        )
    seconds = time.monotonic() - started
    after = await _read_books(database)
    _tell(console, after, seconds=seconds, orders=len(purchases))
    repeats = len(purchases) - (after.orders - before.orders)
    if repeats:
        same = after.entries == before.entries
        console.print(
            f"{repeats:,} of these orders were repeats"
            + (": nothing was posted again" if same else "")
        )
    return _compare(console, purchases, after)


def _compare(console: Console, purchases: Sequence[Purchase], books: Books) -> int:
    """Hold the ledger to the independent computation; answers the exit code."""
    should = expected.balances(purchases)
    right = sum(books.balances.get(customer) == points for customer, points in should.items())
    exact = right == len(should) == len(books.balances) and books.orders == len(purchases)
    console.print(
        f"{'exact' if exact else 'NOT EXACT'}: {books.orders:,} of {len(purchases):,} orders, "
        f"{right:,} of {len(should):,} balances"
    )
    if len(books.balances) > len(should):
        console.print(
            f"The store holds {len(books.balances):,} customers: an earlier run posted more. "
            "`make reset` starts afresh."
        )
    return 0 if exact else 1


async def _read_books(url: str) -> Books:
    connection = await asyncpg.connect(url)
    try:
        balances = await connection.fetch(
            "SELECT customer_id, balance FROM accounts WHERE store_id = $1", STORE
        )
        return Books(
            orders=await connection.fetchval(
                "SELECT count(*) FROM orders WHERE store_id = $1 AND state = 'counted'", STORE
            ),
            entries=await connection.fetchval(
                "SELECT count(*) FROM entries WHERE store_id = $1", STORE
            ),
            points=sum(row["balance"] for row in balances),
            balances={row["customer_id"]: row["balance"] for row in balances},
        )
    finally:
        await connection.close()


def _tell(console: Console, books: Books, *, seconds: float, orders: int) -> None:
    tiers = Counter(
        next(name for start, name, _ in STEPS if points >= start)
        for points in books.balances.values()
    )
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_row("orders", f"{books.orders:,}")
    table.add_row("customers", f"{len(books.balances):,}")
    table.add_row("points", f"{books.points:,}")
    for _, name, _ in reversed(STEPS):
        table.add_row(f"  {name}", f"{tiers[name]:,} customers")
    richest = sorted(books.balances.items(), key=lambda one: -one[1])[:_RICHEST]
    for rank, (customer, points) in enumerate(richest, start=1):
        table.add_row(f"  richest {rank}", f"{customer}  {points:,} points")
    table.add_row("rate", f"{orders / seconds:,.0f} orders/s, published to posted")
    console.print(table)


async def _with_bar(
    progress: Progress, name: str, total: int, work: Callable[[Callable[[int], None]], Any]
) -> None:
    bar = progress.add_task(name, total=total)
    await work(lambda count: progress.update(bar, advance=count))
