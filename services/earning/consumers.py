"""What earning hears from Kafka."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from aiokafka import AIOKafkaProducer
from sqlalchemy.ext.asyncio import AsyncEngine

from libs.contracts.events import AnomalyChanged, OrderCompleted, OrderRefunded
from libs.contracts.topics import ANOMALY_RESOLVED, ORDER_COMPLETED, ORDER_REFUNDED
from libs.kernel.clock import utc_now
from libs.kernel.errors import WhaleError
from libs.kernel.kafka import PLAINTEXT, KafkaSecurity
from libs.messaging.cloudevents import EventReader, Poison
from libs.messaging.consumer import BACKGROUND, BatchConsumer, Policy, Record, Verdict
from libs.messaging.look_ahead import LookAhead
from libs.persistence.gatherer import Gatherer
from services.earning.domain.intake import OutOfBounds, order_of, refund_of
from services.earning.domain.postings import Order, Posting, Refund
from services.earning.handlers import reviews
from services.earning.handlers.posting import Done, Result, Work, post_batch

# A group a topic: members of one group that subscribe to different topics would disturb each other.
ORDERS_GROUP = "earning"
REFUNDS_GROUP = "earning.refunds"
RESOLUTIONS_GROUP = "earning.resolutions"

# Orders in one batch while requests come: about 10 ms in which no request is served.
_BESIDE_REQUESTS = 200

P = TypeVar("P", Order, Refund)


def order_completed(
    engine: AsyncEngine,
    bootstrap: str,
    requests: Gatherer[Work, Done],
    producer: AIOKafkaProducer,
    *,
    security: KafkaSecurity = PLAINTEXT,
) -> BatchConsumer[Order]:
    """Orders become postings; one poll is one batch of the ledger, or a few while requests come:
    they go first."""
    reader = EventReader(ORDER_COMPLETED, kind=OrderCompleted)

    def read(record: Record) -> Order:
        event = reader.read(record)
        try:
            return order_of(event, now=utc_now())
        except OutOfBounds as error:
            raise Poison("invalid", str(error)) from error

    async def post(orders: Sequence[Order]) -> Sequence[Verdict]:
        return await _post(engine, orders)

    async def handle(orders: Sequence[Order]) -> Sequence[Verdict]:
        if not requests.is_in_use:
            return await post(orders)
        verdicts: list[Verdict] = []
        for start in range(0, len(orders), _BESIDE_REQUESTS):
            await requests.give_way()
            verdicts += await post(orders[start : start + _BESIDE_REQUESTS])
        return verdicts

    return BatchConsumer(
        topics=(ORDER_COMPLETED,),
        group=ORDERS_GROUP,
        service="earning",
        read=read,
        handle=handle,
        producer=producer,
        look_ahead=LookAhead(
            bootstrap,
            group=ORDERS_GROUP,
            read=read,
            handle=post,
            store_of=lambda order: order.store_id,
            security=security,
        ),
    )


def order_refunded(engine: AsyncEngine, producer: AIOKafkaProducer) -> BatchConsumer[Refund]:
    """Refunds become postings; one that overtakes its order waits in the books."""
    reader = EventReader(ORDER_REFUNDED, kind=OrderRefunded)

    def read(record: Record) -> Refund:
        event = reader.read(record)
        try:
            return refund_of(event, now=utc_now())
        except OutOfBounds as error:
            raise Poison("invalid", str(error)) from error

    return _consumer(ORDER_REFUNDED, REFUNDS_GROUP, engine, producer, read, policy=BACKGROUND)


def anomaly_resolved(engine: AsyncEngine, producer: AIOKafkaProducer) -> BatchConsumer[Work]:
    """What people made of anomalies is carried out: points taken back, accounts suspended."""
    reader = EventReader(ANOMALY_RESOLVED, kind=AnomalyChanged)

    def read(record: Record) -> Work:
        resolution = reviews.resolution_of(reader.read(record), now=utc_now())
        return Work([] if resolution is None else [resolution])

    async def handle(works: Sequence[Work]) -> Sequence[Verdict]:
        return [_verdict_on_work(done) for done in await post_batch(engine, works)]

    return BatchConsumer(
        topics=(ANOMALY_RESOLVED,),
        group=RESOLUTIONS_GROUP,
        service="earning",
        read=read,
        handle=handle,
        producer=producer,
        policy=BACKGROUND,
    )


def _verdict_on_work(done: Done | Exception) -> Verdict:
    if isinstance(done, Exception):
        raise done
    return next((verdict_on(result) for result in done.results), None)


def _consumer(
    topic: str,
    group: str,
    engine: AsyncEngine,
    producer: AIOKafkaProducer,
    read: Callable[[Record], P],
    *,
    policy: Policy | None = None,
) -> BatchConsumer[P]:
    async def handle(postings: Sequence[P]) -> Sequence[Verdict]:
        return await _post(engine, postings)

    return BatchConsumer(
        topics=(topic,),
        group=group,
        service="earning",
        read=read,
        handle=handle,
        producer=producer,
        policy=policy,
    )


async def _post(engine: AsyncEngine, postings: Sequence[Posting]) -> Sequence[Verdict]:
    (done,) = await post_batch(engine, [Work(postings)])
    if isinstance(done, Exception):
        raise done
    return [verdict_on(result) for result in done.results]


def verdict_on(result: Result) -> Verdict:
    """A refused event is a dead letter; everything else is recorded."""
    if not isinstance(result, WhaleError):
        return None
    return Poison("conflict" if result.code == "conflict" else "invalid", result.detail)
