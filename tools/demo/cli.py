"""`demo`: publish the history, wait for the ledger, and compare every balance."""

import argparse
import asyncio
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

import asyncpg
from msgspec import Struct
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from libs.kernel.clock import utc_now
from tools.demo import actions, expected, history, recent
from tools.demo.actions import Api
from tools.demo.expected import TIERS
from tools.demo.history import HistoryMissing, Purchase
from tools.demo.publish import STORE, publish, wait_until_consumed
from tools.progress import progress_bars
from tools.stack import config, record, seed, services
from tools.stack.errors import StackError

_TOP_CUSTOMERS: Final = 5


class LedgerSnapshot(Struct, frozen=True):
    """What the ledger has of the history: counts, points outstanding, balances by customer."""

    orders: int
    entries: int
    points: int
    balances: Mapping[str, int]


def register(commands: Any) -> None:
    """Add the command."""
    command = commands.add_parser("demo", help="a real shop's order history, exact to the point")
    command.add_argument("-n", type=int, metavar="N", help="only the first N orders")
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the demo on the running stack; exit code 1 unless every balance is exact."""
    stack = record.find_running()
    try:
        purchases = history.read(history.find_file(), first=arguments.n)
    except HistoryMissing as error:
        raise StackError(str(error)) from error
    return asyncio.run(_run(stack.addresses, stack.secrets, purchases))


async def _run(
    addresses: services.Addresses, secrets: config.Secrets, purchases: Sequence[Purchase]
) -> int:
    console = Console(highlight=False)
    command = ("create", "--store", STORE, "--name", "demo")
    output = await seed.run_key_command(addresses, secrets, *command)
    key = output.splitlines()[-1]
    await seed.create_program(addresses, key)
    database = services.database_url(addresses, secrets, "earning")
    before = await _read_ledger(database)
    started = time.monotonic()
    with progress_bars(console) as progress:
        await _post(progress, addresses, purchases)
    seconds = time.monotonic() - started
    after = await _read_ledger(database)
    _print_results(console, after, seconds=seconds, orders=len(purchases))
    repeats = len(purchases) - (after.orders - before.orders)
    if repeats:
        unchanged = after.entries == before.entries
        console.print(
            f"{repeats:,} of these orders were repeats"
            + (": nothing was posted again" if unchanged else "")
        )
    exit_code = _compare(console, purchases, after)
    if exit_code == 0:
        await _add_recent(console, addresses, key)
    console.print(
        f"Look at it: {_dashboard(addresses)}\nSign in with the key {key}", soft_wrap=True
    )
    return exit_code


async def _add_recent(console: Console, addresses: services.Addresses, key: str) -> None:
    """Add the last 30 days: orders up to now and, in the first run, the cases to look after."""
    now = utc_now()
    security = addresses.kafka_security
    async with seed.api_session(addresses, key) as session:
        api = Api(session)
        is_first = not await actions.has_cases(api)
        records = list(recent.orders(now))
        if is_first:
            await actions.prepare(api, now)
            records += recent.cases(now)
        with console.status("Adding the last 30 days ..."):
            await publish(addresses.kafka, records, security=security)
            await wait_until_consumed(addresses.kafka, lambda _lag: None, security=security)
        if is_first:
            await actions.act(api)
    console.print(
        f"The last {recent.DAYS} days: {len(records):,} orders and refunds of other customers, some of them "
        "held, skipped or refused"
    )
    if is_first:
        console.print(
            "The detectors judge the history in the background; anomalies appear as they do"
        )


def _dashboard(addresses: services.Addresses) -> str:
    """The address of the dashboard on this machine: containers know the gateway by another name."""
    port = addresses.port_of("gateway")
    is_here = urlsplit(addresses.urls["gateway"]).hostname == config.LOOPBACK
    return (
        f"http://{config.LOOPBACK}:{port if is_here else config.settings().gateway_port}/dashboard"
    )


async def _post(
    progress: Progress, addresses: services.Addresses, purchases: Sequence[Purchase]
) -> None:
    """Publish the orders and wait until earning has consumed them, with a progress bar for each."""
    kafka, security = addresses.kafka, addresses.kafka_security
    published = progress.add_task("published", total=len(purchases))
    await publish(
        kafka,
        [purchase.record for purchase in purchases],
        lambda count: progress.update(published, advance=count),
        security=security,
    )
    posted = progress.add_task("posted   ", total=len(purchases))
    await wait_until_consumed(
        kafka,
        lambda lag: progress.update(posted, completed=max(len(purchases) - lag, 0)),
        security=security,
    )


def _compare(console: Console, purchases: Sequence[Purchase], ledger: LedgerSnapshot) -> int:
    """Compare the ledger with the independent computation; returns the exit code."""
    balances = expected.balances(purchases)
    matches = sum(ledger.balances.get(customer) == points for customer, points in balances.items())
    exact = matches == len(balances) == len(ledger.balances) and ledger.orders == len(purchases)
    console.print(
        f"{'exact' if exact else 'NOT EXACT'}: {ledger.orders:,} of {len(purchases):,} orders, "
        f"{matches:,} of {len(balances):,} balances"
    )
    if len(ledger.balances) > len(balances):
        console.print(
            f"The store holds {len(ledger.balances):,} customers: an earlier run posted more. "
            "`make reset` deletes them, or with containers `make compose-down DATA=delete`."
        )
    return 0 if exact else 1


async def _read_ledger(url: str) -> LedgerSnapshot:
    connection = await asyncpg.connect(url)
    try:
        rows = await connection.fetch(
            "SELECT customer_id, balance FROM accounts WHERE store_id = $1 AND customer_id ~ $2",
            STORE,
            history.CUSTOMER_ID,
        )
        return LedgerSnapshot(
            orders=await connection.fetchval(
                "SELECT count(*) FROM orders "
                "WHERE store_id = $1 AND state = 'counted' AND starts_with(order_id, $2)",
                STORE,
                history.ORDER_PREFIX,
            ),
            entries=await connection.fetchval(
                "SELECT count(*) FROM entries WHERE store_id = $1 AND starts_with(order_id, $2)",
                STORE,
                history.ORDER_PREFIX,
            ),
            points=sum(row["balance"] for row in rows),
            balances={row["customer_id"]: row["balance"] for row in rows},
        )
    finally:
        await connection.close()


def _print_results(
    console: Console, ledger: LedgerSnapshot, *, seconds: float, orders: int
) -> None:
    tiers = Counter(
        next(name for min_points, name, _ in TIERS if points >= min_points)
        for points in ledger.balances.values()
    )
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_row("orders", f"{ledger.orders:,}")
    table.add_row("customers", f"{len(ledger.balances):,}")
    table.add_row("points", f"{ledger.points:,}")
    for _, name, _ in reversed(TIERS):
        table.add_row(f"  {name}", f"{tiers[name]:,} customers")
    top = sorted(ledger.balances.items(), key=lambda item: -item[1])[:_TOP_CUSTOMERS]
    for rank, (customer, points) in enumerate(top, start=1):
        table.add_row(f"  top {rank}", f"{customer}  {points:,} points")
    table.add_row("rate", f"{orders / seconds:,.0f} orders/s, published to posted")
    console.print(table)
