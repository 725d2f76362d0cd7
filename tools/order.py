"""The command `order`: publish one order to Kafka, as a shop's backend would, and say what it earned."""

import argparse
import asyncio
from datetime import datetime
from typing import Any, Final

import msgspec
from rich.console import Console

from libs.contracts.events import OrderCompleted
from libs.contracts.numbers import decoder
from libs.contracts.topics import ORDER_COMPLETED, record_key
from libs.kernel.clock import format_time
from libs.kernel.ids import new_id
from libs.messaging.producer import producing
from services.earning.domain.shop_events import OutOfBounds, build_order
from services.earning.store import clock
from tools import why
from tools.demo.publish import wait_until_consumed
from tools.stack import record
from tools.stack.config import DEMO_STORE
from tools.stack.databases import connect
from tools.stack.errors import StackError
from tools.stack.services import Addresses

_POSTED_SECONDS: Final = 20.0
_decode: Final = decoder(OrderCompleted).decode


def register(commands: Any) -> None:
    """Add the command."""
    command = commands.add_parser("order", help="publish one order, as a shop would")
    command.add_argument("--customer", required=True)
    command.add_argument("--total", required=True)
    command.add_argument("--number", help="the order number that the shop shows")
    command.add_argument("--store", default=DEMO_STORE)
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Publish the order, and print it and what became of it; exit code 1 unless it counted."""
    return asyncio.run(_run(record.find_running().addresses, arguments))


async def _run(addresses: Addresses, arguments: argparse.Namespace) -> int:
    value = _encode(arguments, now=await _read_clock(arguments.store))
    order = _decode(value)
    store_id, order_id = str(order.store_id), str(order.order_id)
    await _check_store(store_id)
    await _publish(addresses, record_key(store_id, str(order.customer_id)), value)
    print(f"{ORDER_COMPLETED} ← {value.decode()}")
    try:
        await _wait_until_posted(addresses)
    except TimeoutError as error:
        raise StackError(
            f"It is not posted after {_POSTED_SECONDS:.0f} s: `make status` shows the lag of earning, and "
            f"`python -m tools why --store {store_id} --order {order_id}` what became of the order."
        ) from error
    recorded = await why.find(store_id, order_id)
    if recorded is None or recorded.row is None:
        raise StackError(
            "It was not recorded: `python -m tools dead-letters list` shows why it could not be processed."
        )
    row = recorded.row
    if (row["customer_id"], row["total"]) != (order.customer_id, order.total):
        raise StackError(
            f"The order {order_id} is already recorded with another customer or total, so this one is a "
            "dead letter. Choose another NUMBER."
        )
    print(next(why.explain(recorded)))
    return 0 if recorded.state == "counted" else 1


async def _read_clock(store_id: str) -> datetime:
    """The present time of the store, whose clock may have been moved."""
    async with connect("earning") as connection:
        return (await clock.read_now(connection, [store_id]))[store_id]


def _encode(arguments: argparse.Namespace, *, now: datetime) -> bytes:
    """The order as JSON, completed now; raises StackError where earning would refuse it."""
    order = {
        "store_id": arguments.store,
        "order_id": arguments.number or new_id("order"),
        "order_number": arguments.number,
        "customer_id": arguments.customer,
        "total": arguments.total,
        "currency": "USD",
        "completed_at": format_time(now),
    }
    value = msgspec.json.encode({name: field for name, field in order.items() if field is not None})
    try:
        build_order(_decode(value), now=now)
    except (OutOfBounds, msgspec.ValidationError) as error:
        raise StackError(f"Nothing was published. {error}") from error
    return value


async def _check_store(store_id: str) -> None:
    async with connect("gateway") as connection:
        if not await connection.fetchval("SELECT 1 FROM stores WHERE id = $1", store_id):
            raise StackError(
                f"Nothing was published. There is no store {store_id}: `make key STORE={store_id}` creates "
                "it."
            )


async def _publish(addresses: Addresses, key: bytes, value: bytes) -> None:
    async with producing(addresses.kafka, security=addresses.kafka_security) as producer:
        await producer.send_and_wait(ORDER_COMPLETED, value, key=key)


async def _wait_until_posted(addresses: Addresses) -> None:
    with Console(highlight=False).status("posting …"):
        async with asyncio.timeout(_POSTED_SECONDS):
            await wait_until_consumed(
                addresses.kafka, lambda _: None, security=addresses.kafka_security
            )
