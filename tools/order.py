"""`order`: publish one order to Kafka, as a shop's backend would."""

import argparse
import asyncio
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from libs.contracts.topics import ORDER_COMPLETED, record_key
from libs.kernel.clock import format_time, utc_now
from libs.kernel.ids import new_id
from libs.messaging.producer import producing
from tools.stack import config, services, state
from tools.stack.config import DEMO_STORE
from tools.stack.errors import StackError


def register(commands: Any) -> None:
    """Add the command."""
    command = commands.add_parser("order", help="publish one order, as a shop would")
    command.add_argument("--customer", required=True)
    command.add_argument("--total", required=True)
    command.add_argument("--number", help="what people call the order")
    command.add_argument("--store", default=DEMO_STORE)
    command.set_defaults(run=run)


def run(asked: argparse.Namespace) -> int:
    """Publish the order and print it."""
    settings = config.settings()
    if not state.is_running(settings.folder):
        raise StackError("The stack is not up. Start it with `make up`.")
    try:
        Decimal(asked.total)
    except InvalidOperation as error:
        raise StackError(f"{asked.total} is no amount of money; write 50.00") from error
    order = {
        "store_id": asked.store,
        "order_id": asked.number or new_id("order"),
        "order_number": asked.number,
        "customer_id": asked.customer,
        "total": asked.total,
        "currency": "USD",
        "completed_at": format_time(utc_now()),
    }
    value = msgspec.json.encode({name: one for name, one in order.items() if one is not None})
    asyncio.run(_publish(settings, record_key(asked.store, asked.customer), value))
    print(f"{ORDER_COMPLETED} ← {value.decode()}")
    return 0


async def _publish(settings: config.Settings, key: bytes, value: bytes) -> None:
    async with producing(
        services.kafka_address(settings), security=settings.kafka_security
    ) as producer:
        await producer.send_and_wait(ORDER_COMPLETED, value, key=key)
