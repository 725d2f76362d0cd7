"""The Kafka producer that all publishers use."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine
from typing import Any

from aiokafka import AIOKafkaProducer

from libs.contracts.topics import MAX_DEAD_LETTER_BYTES
from libs.kernel.kafka import PLAINTEXT, KafkaSecurity
from libs.messaging.security import client_options

_REQUEST_MS = 10_000


def create_producer(bootstrap: str, *, security: KafkaSecurity = PLAINTEXT) -> AIOKafkaProducer:
    """Create a producer that neither loses nor reorders records, and accepts the largest ones.

    It is not an idempotent producer. In aiokafka, a batch of an idempotent producer that the broker
    refuses leaves a gap in the sequence numbers, after which the broker refuses every later batch
    for the partition; and while the broker is unavailable, such a producer waits forever. This one
    fails after ten seconds, and the publisher publishes again. It has at most one request in flight
    per broker, so the order holds; consumers recognize duplicates by their ids. See ADR 0008.
    """
    return AIOKafkaProducer(
        bootstrap_servers=bootstrap,
        **client_options(security),
        acks="all",
        linger_ms=5,
        max_batch_size=131_072,
        max_request_size=MAX_DEAD_LETTER_BYTES + 65_536,
        request_timeout_ms=_REQUEST_MS,
    )


@contextlib.asynccontextmanager
async def producing(
    bootstrap: str, *, security: KafkaSecurity = PLAINTEXT
) -> AsyncIterator[AIOKafkaProducer]:
    """A started producer, stopped at the end of the context. Raises KafkaError or OSError if no
    broker responds."""
    producer = create_producer(bootstrap, security=security)
    try:
        await _uninterrupted(producer.start())
        yield producer
    finally:
        await _uninterrupted(producer.stop())


async def _uninterrupted(work: Coroutine[Any, Any, None]) -> None:
    """Finish `work` before a cancellation takes effect: a start or stop that is cancelled in the
    middle leaves a connection open."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        raise
