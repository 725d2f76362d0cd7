"""The composition root of anomaly: engines, the HTTP side, consumers and relay, in one process."""

from functools import partial

from aiokafka import AIOKafkaProducer
from litestar.types import ASGIApp

from libs.background.lifecycle import OnStop
from libs.messaging.consumer import BatchConsumer
from libs.messaging.progress import ProgressReader
from libs.messaging.runtime import Messaging
from libs.persistence.engine import create_batch_engine, create_engine, ping
from libs.persistence.errors import is_transient
from libs.persistence.slow_reads import SlowReads
from libs.persistence.stored_responses import idempotency_key_purger
from libs.web.app import create_app
from services.anomaly import consumers
from services.anomaly.api.routes import ROUTES
from services.anomaly.handlers.backtests import Backtests
from services.anomaly.handlers.resources import Resources
from services.anomaly.settings import Settings
from services.anomaly.store.earnings import EarningEvent


def build(settings: Settings) -> ASGIApp:
    """The app with the parts that `settings.roles` names; nothing connects before it starts."""
    write_engine = create_batch_engine(settings.database_url, name="anomaly batches")
    read_engine = create_engine(settings.database_url, name="anomaly reads")

    def points_posted(producer: AIOKafkaProducer) -> BatchConsumer[EarningEvent | None]:
        return consumers.points_posted(write_engine, messaging.wake_relay, producer)

    messaging = Messaging(
        bootstrap=settings.kafka_url,
        security=settings,
        database_url=settings.database_url,
        consumers=(points_posted,) if "consumers" in settings.roles else (),
        relay="relay" in settings.roles,
    )

    progress = ProgressReader(
        "anomaly",
        settings.kafka_url,
        stopped=messaging.stopped_groups,
        outbox_engine=read_engine,
        security=settings,
    )

    return create_app(
        routes=ROUTES if "api" in settings.roles else (),
        internal_token=settings.internal_token,
        checks={"database": partial(ping, read_engine), "messaging": messaging.ready},
        progress=progress.read,
        background=[
            OnStop(write_engine.dispose),
            OnStop(read_engine.dispose),
            messaging,
            progress,
            idempotency_key_purger(write_engine),
        ],
        state={
            "resources": Resources(
                write_engine=write_engine,
                read_engine=read_engine,
                slow_reads=SlowReads(read_engine),
                backtests=Backtests(),
                database_url=settings.database_url,
                wake_relay=messaging.wake_relay,
            )
        },
        is_transient=is_transient,
    )
