"""The command `order`: publish one order to Kafka, as a shop's backend would."""

import argparse
import asyncio
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from libs.contracts.topics import ORDER_COMPLETED, record_key
from libs.kernel.clock import format_time, utc_now
from libs.kernel.ids import new_id
from libs.messaging.producer import producing
from tools.stack import record
from tools.stack.config import DEMO_STORE
from tools.stack.errors import StackError
from tools.stack.services import Addresses


def register(commands: Any) -> None:
    """Add the command."""
    command = commands.add_parser("order", help="publish one order, as a shop would")
    command.add_argument("--customer", required=True)
    command.add_argument("--total", required=True)
    command.add_argument("--number", help="the order number that the shop shows")
    command.add_argument("--store", default=DEMO_STORE)
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Publish the order and print it."""
    addresses = record.find_running().addresses
    try:
        Decimal(arguments.total)
    except InvalidOperation as error:
        raise StackError(
            f"{arguments.total} is not an amount of money; write it as 50.00"
        ) from error
    order = {
        "store_id": arguments.store,
        "order_id": arguments.number or new_id("order"),
        "order_number": arguments.number,
        "customer_id": arguments.customer,
        "total": arguments.total,
        "currency": "USD",
        "completed_at": format_time(utc_now()),
    }
    value = msgspec.json.encode({name: field for name, field in order.items() if field is not None})
    asyncio.run(_publish(addresses, record_key(arguments.store, arguments.customer), value))
    print(f"{ORDER_COMPLETED} ← {value.decode()}")
    return 0


async def _publish(addresses: Addresses, key: bytes, value: bytes) -> None:
    async with producing(addresses.kafka, security=addresses.kafka_security) as producer:
        await producer.send_and_wait(ORDER_COMPLETED, value, key=key)
