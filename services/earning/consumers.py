"""What earning hears from Kafka."""

from collections.abc import Sequence

from aiokafka import AIOKafkaProducer
from sqlalchemy.ext.asyncio import AsyncEngine

from libs.contracts.events import OrderCompleted
from libs.contracts.topics import ORDER_COMPLETED
from libs.kernel.clock import utc_now
from libs.kernel.errors import WhaleError
from libs.messaging.cloudevents import EventReader, Poison
from libs.messaging.consumer import BatchConsumer, Record, Verdict
from services.earning.domain.intake import OutOfBounds, order_of
from services.earning.domain.postings import Order
from services.earning.handlers.posting import Result, Work, post_batch

GROUP = "earning"


def order_completed(engine: AsyncEngine, producer: AIOKafkaProducer) -> BatchConsumer[Order]:
    """Orders become postings; one poll is one batch of the ledger."""
    reader = EventReader(ORDER_COMPLETED, OrderCompleted)

    def read(record: Record) -> Order:
        event = reader.read(record)
        try:
            return order_of(event, now=utc_now())
        except OutOfBounds as error:
            raise Poison("invalid", str(error)) from error

    async def handle(orders: Sequence[Order]) -> Sequence[Verdict]:
        (done,) = await post_batch(engine, [Work(orders)])
        if isinstance(done, Exception):
            raise done
        return [verdict_on(result) for result in done.results]

    return BatchConsumer(
        topic=ORDER_COMPLETED,
        group=GROUP,
        service="earning",
        read=read,
        handle=handle,
        producer=producer,
    )


def verdict_on(result: Result) -> Verdict:
    """A refused event is a dead letter; everything else is recorded."""
    if not isinstance(result, WhaleError):
        return None
    return Poison("conflict" if result.code == "conflict" else "invalid", result.detail)
