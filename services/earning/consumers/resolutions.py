"""The consumer of resolved anomalies."""

from collections.abc import Sequence

from aiokafka import AIOKafkaProducer
from sqlalchemy.ext.asyncio import AsyncEngine

from libs.contracts.events import AnomalyChanged
from libs.contracts.groups import EARNING_RESOLUTIONS
from libs.contracts.topics import ANOMALY_RESOLVED
from libs.kernel.clock import utc_now
from libs.kernel.errors import WhaleError
from libs.messaging.cloudevents import EventReader
from libs.messaging.consumer import BACKGROUND, BatchConsumer, Record, RecordOutcome
from libs.persistence.batch import RequestOutcome
from services.earning.consumers.outcomes import record_outcome
from services.earning.handlers.posting import PostingRequest, post_batch
from services.earning.handlers.resolutions import build_resolution


def consume_resolutions(
    engine: AsyncEngine, producer: AIOKafkaProducer
) -> BatchConsumer[PostingRequest]:
    """Carries out resolutions of anomalies: awards are voided, accounts suspended."""
    reader = EventReader(ANOMALY_RESOLVED, kind=AnomalyChanged)

    def read(record: Record) -> PostingRequest:
        resolution = build_resolution(reader.read(record), now=utc_now())
        return PostingRequest([] if resolution is None else [resolution])

    async def handle(requests: Sequence[PostingRequest]) -> Sequence[RecordOutcome]:
        return [_resolution_outcome(outcome) for outcome in await post_batch(engine, requests)]

    return BatchConsumer(
        topics=(ANOMALY_RESOLVED,),
        group=EARNING_RESOLUTIONS.name,
        service="earning",
        read=read,
        handle=handle,
        producer=producer,
        policy=BACKGROUND,
    )


def _resolution_outcome(outcome: RequestOutcome) -> RecordOutcome:
    if isinstance(outcome, WhaleError):
        raise outcome
    return next((record_outcome(result) for result in outcome.results), None)
