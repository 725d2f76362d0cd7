"""The producer that everything publishes with."""

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
    """A producer that neither loses nor reorders, and takes the largest record.

    Not an idempotent one: in aiokafka a batch of that kind which the broker refuses leaves a gap in
    the numbers it counts by, after which its partition takes nothing from this producer any more,
    and a broker that is away is waited for without end. This one fails after ten seconds, which
    whoever publishes answers by publishing again; it has one request at a time on its way to a
    broker, so order holds, and whoever consumes knows what came twice by its id. See ADR 0008.
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
    """A producer while the context lasts. Raises KafkaError or OSError where no broker answers."""
    producer = create_producer(bootstrap, security=security)
    try:
        await _whole(producer.start())
        yield producer
    finally:
        await _whole(producer.stop())


async def _whole(work: Coroutine[Any, Any, None]) -> None:
    """Cancelled in the middle, either would leave a connection open: the cancelling waits."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        raise
