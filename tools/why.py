"""The command `why`: what became of an order, in words, with what to do next."""

import argparse
import asyncio
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from libs.contracts import api
from libs.contracts.operations import OPERATIONS
from libs.contracts.order_api import OrderRecheck
from services.earning.api import order_responses
from services.earning.handlers.orders import Order, find_order
from tools.stack.databases import connect

_UNKNOWN: Final = """\
No record of the order {order} is in the store {store}. Either it never arrived, or it is a guest's, which
is not recorded, or its record names no readable store or order: `python -m tools dead-letters list` shows
all records that could not be processed."""
_ONLY_FULFILLED: Final = """\
The order {order} is not in the store {store}, but a fulfillment of it is, which waits for it. Send the order,
with this order_id, or the fulfillment again with that of the order."""
_FIND_FULFILLMENT: Final = "SELECT 1 FROM fulfillments WHERE store_id = $1 AND order_id = $2"
_SKIPPED: Final[dict[str, str]] = {
    "no_program": "the store had no program. Create one, and check the order again",
    "program_inactive": "the program was not active. Activate it, and check the order again",
    "unknown_program": "the store has no program with its program_id. Send the order again without it, or "
    "with another",
    "other_currency": "its currency is not that of the program. Change the program's currency and check "
    "the order again, or send it again with a program of its currency as its program_id",
    "not_postable": "it was held, and broke a bound when the account was active again. Lower the rate and "
    "check the order again",
}
# What "check the order again" means. For an order that names an unknown program it changes nothing.
_RECHECK: Final = """\
Check it again with a key with the scope manage:
  POST /v1/stores/me/{path} {body}"""
_RECHECK_PATH: Final = next(one.path for one in OPERATIONS if one.id == "recheckOrders")
_ZERO: Final[dict[str, str]] = {
    "total_is_zero": "its total is 0",
    "below_one_point": "total x rate x multiplier is less than one point, and points are rounded down",
}
_FOR_FULFILLMENT: Final = "for its fulfillment, the event order.fulfilled"
_GIVEN_UP: Final = """\
were given up, since its fulfillment did not arrive in time. If it was fulfilled, award them manually"""


def register(commands: Any) -> None:
    """Add the command."""
    command = commands.add_parser("why", help="what became of an order, and why")
    command.add_argument("--store", required=True)
    command.add_argument("--order", required=True, help="the order's id in the shop")
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print what became of the order; exit code 1 if nothing is known of it."""
    order = asyncio.run(find(arguments.store, arguments.order))
    if order is not None:
        print("\n".join(explain(order)))
        return 0
    is_fulfilled = asyncio.run(_is_fulfilled(arguments.store, arguments.order))
    unknown = _ONLY_FULFILLED if is_fulfilled else _UNKNOWN
    print(unknown.format(store=arguments.store, order=arguments.order))
    return 1


async def find(store_id: str, order_id: str) -> Order | None:
    """The order of the store, or None if nothing is known of it."""
    async with (
        connect("earning") as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        return await find_order(connection, store_id, order_id)


async def _is_fulfilled(store_id: str, order_id: str) -> bool:
    """Whether a fulfillment waits for the order."""
    async with connect("earning") as connection:
        return await connection.fetchval(_FIND_FULFILLMENT, store_id, order_id) is not None


def explain(order: Order) -> Iterator[str]:
    """The lines that say what became of the order."""
    response = order_responses.order(order)
    yield f"{response.order_id} is {response.state}: {_reason(response)}."
    for field, value in msgspec.to_builtins(response).items():
        if field not in {"order_id", "state", "dead_letters"}:
            yield f"  {field}: {value}"
    if response.state == "skipped" and response.skip_reason != "unknown_program":
        body = msgspec.json.encode(OrderRecheck(order_ids=[response.order_id])).decode()
        yield _RECHECK.format(path=_RECHECK_PATH, body=body)
    for row in order.letters:
        yield f"Dead letter {row['place']} ({row['code']}): {row['detail']}"
        yield f"  python -m tools dead-letters show {row['place']}"


def _reason(order: api.Order) -> str:
    match order.state:
        case "counted":
            return _points(order)
        case "held":
            return (
                "the customer's account is suspended. It is posted once the account is active again"
            )
        case "skipped":
            return _SKIPPED[str(order.skip_reason)]
        case _:
            return (
                "no record of it could be processed. The dead letters say why; correct it in the shop, "
                "and send it again"
            )


def _points(order: api.Order) -> str:
    """What became of the points of an order that counts."""
    if order.pending:
        until = f"until {order.available_at}" if order.available_at else _FOR_FULFILLMENT
        return f"its {order.pending:,} points wait {until}"
    if order.given_up:
        return f"its {order.given_up:,} points {_GIVEN_UP}"
    if order.award:
        return f"it earned {order.award:,} points"
    return f"it earned nothing, because {_ZERO[str(order.zero_reason)]}"
