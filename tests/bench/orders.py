"""Orders on Kafka, as a shop publishes them."""

import asyncio
import itertools
from collections.abc import Callable, Iterator

import msgspec
from aiokafka import AIOKafkaProducer

from libs.contracts.topics import ORDER_COMPLETED, record_key
from tests.bench.bench import Bench
from tests.bench.servers import STORE

CUSTOMERS = 100_000
COMPLETED_AT = "2026-03-10T12:00:00Z"
_CHUNK = 10_000
_runs = itertools.count()


def customer_of(number: int, customers: int = CUSTOMERS) -> str:
    """The customer of the order of that number: consecutive orders are of different customers."""
    return f"cust_{number * 7919 % customers}"


async def publish_backlog(
    bench: Bench,
    count: int,
    *,
    customers: int = CUSTOMERS,
    order_id: Callable[[str], str] = str,
    store: str = STORE,
    completed_at: str = COMPLETED_AT,
) -> None:
    """A backlog of new orders of so many customers. `order_id` makes an id of a unique text."""
    run = next(_runs)
    await publish(
        bench,
        count,
        (
            (
                customer,
                order_value(
                    order_id(f"{run}-{number}"), customer, store=store, completed_at=completed_at
                ),
            )
            for number in range(count)
            for customer in (customer_of(number, customers),)
        ),
        store=store,
    )


async def publish(
    bench: Bench, count: int, orders: Iterator[tuple[str, bytes]], *, store: str = STORE
) -> None:
    """Publish `count` orders of the store, each a customer and the record's value."""
    async with AIOKafkaProducer(
        bootstrap_servers=bench.stack.kafka, linger_ms=20, max_batch_size=262_144
    ) as producer:
        with bench.display.step("publishing orders", count) as advance:
            for start in range(0, count, _CHUNK):
                sent = [
                    await producer.send(
                        ORDER_COMPLETED, key=record_key(store, customer), value=value
                    )
                    for customer, value in itertools.islice(orders, _CHUNK)
                ]
                await asyncio.gather(*sent)
                advance(start + len(sent))


def order_value(
    order_id: str, customer_id: str, *, store: str = STORE, completed_at: str = COMPLETED_AT
) -> bytes:
    return msgspec.json.encode(
        {
            "store_id": store,
            "order_id": order_id,
            "order_number": order_id,
            "customer_id": customer_id,
            "total": "19.99",
            "currency": "USD",
            "completed_at": completed_at,
        }
    )
