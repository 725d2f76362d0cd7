"""The commands `orders`, `order-items`, `verify` and `rebuild days`."""

import argparse
import asyncio
from typing import Any, Final

import msgspec
from msgspec import Raw
from rich.console import Console

from services.earning.store import books_check, days, order_items
from tools.progress import progress_bars
from tools.stack.databases import connect

_MAX_LISTED: Final = 1_000

_SKIPPED: Final = """
SELECT store_id, order_id, skip_reason FROM orders
WHERE state = 'skipped' AND entry_sequence IS NULL
ORDER BY store_id, coalesce(recorded_at, occurred_at), order_id LIMIT $1
"""
_HELD: Final = """
SELECT o.store_id, o.order_id, a.customer_id FROM orders o JOIN accounts a ON a.id = o.account_id
WHERE o.state = 'held' ORDER BY o.account_id, o.arrival LIMIT $1
"""
_WAITING: Final = """
SELECT store_id, order_id, refund_id, CASE WHEN state = 'conflict' THEN detail ELSE '' END
FROM refunds WHERE state IN ('waiting', 'conflict') ORDER BY store_id, arrival LIMIT $1
"""


def register(commands: Any) -> None:
    """Add the commands."""
    orders = commands.add_parser("orders", help="orders and refunds that do not count yet")
    which = orders.add_mutually_exclusive_group(required=True)
    which.add_argument("--skipped", dest="sql", action="store_const", const=_SKIPPED)
    which.add_argument("--held", dest="sql", action="store_const", const=_HELD)
    which.add_argument("--waiting-refunds", dest="sql", action="store_const", const=_WAITING)
    orders.set_defaults(run=_run, action=_list)
    lines = commands.add_parser(
        "order-items",
        help="the lines of a store's orders that were kept, one order per line, as JSON",
    )
    lines.add_argument("store", help="the store's id")
    lines.set_defaults(run=_run, action=_print_items)
    verifying = commands.add_parser("verify", help="recompute the whole ledger and compare")
    verifying.set_defaults(run=_run, action=_verify)


def rebuild_days() -> int:
    """Rebuild the summary's days from the ledger."""
    return asyncio.run(_rebuild_days())


def _run(arguments: argparse.Namespace) -> int:
    return asyncio.run(_run_action(arguments))


async def _run_action(arguments: argparse.Namespace) -> int:
    async with connect("earning") as connection:
        code: int = await arguments.action(connection, arguments)
    return code


async def _list(connection: Any, arguments: argparse.Namespace) -> int:
    rows = await connection.fetch(arguments.sql, _MAX_LISTED)
    for row in rows:
        print("  ".join(str(value) for value in row if value))
    if not rows:
        print("None.")
    if len(rows) == _MAX_LISTED:
        print(f"… the first {_MAX_LISTED:,}")
    return 0


async def _print_items(connection: Any, arguments: argparse.Namespace) -> int:
    async with connection.transaction(readonly=True):
        async for order in order_items.read_all(connection, arguments.store):
            # On one line, whatever white space the shop sent.
            items = Raw(msgspec.json.format(order.items, indent=-1))
            print(msgspec.json.encode({"order_id": order.order_id, "items": items}).decode())
    return 0


async def _verify(connection: Any, _arguments: argparse.Namespace) -> int:
    console = Console(highlight=False)
    faults = 0
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        total = await books_check.count(connection)
        with progress_bars(console) as progress:
            bar = progress.add_task("rows", total=total)
            async for slice_ in books_check.check_all(connection):
                progress.update(bar, advance=slice_.rows)
                for fault in slice_.faults:
                    console.print(fault, soft_wrap=True)
                faults += len(slice_.faults)
    if faults:
        console.print(f"{faults:,} faults in {total:,} rows. See docs/runbooks/ledger.md")
        return 1
    console.print(f"{total:,} rows are consistent, and every balance follows from its entries.")
    return 0


async def _rebuild_days() -> int:
    async with connect("earning") as connection, connection.transaction():
        await days.rebuild(connection)
    return 0
