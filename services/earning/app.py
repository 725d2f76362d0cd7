"""The composition root of earning: engines, API, consumers and relay in one process."""

from collections.abc import Sequence
from functools import partial

from litestar.types import ASGIApp

from libs.background.lifecycle import OnStop
from libs.messaging.progress import ProgressReader
from libs.messaging.runtime import Messaging
from libs.observability import metrics
from libs.persistence.batch import RequestOutcome
from libs.persistence.engine import create_batch_engine, create_engine, ping
from libs.persistence.errors import is_transient
from libs.persistence.group_commit import GATHER_SECONDS, GroupCommit
from libs.persistence.slow_reads import SlowReads
from libs.persistence.stored_responses import idempotency_key_purger
from libs.web.app import create_app
from services.earning.api import routes
from services.earning.api.resources import Resources
from services.earning.consumers.dead_letters import consume_dead_letters
from services.earning.consumers.resolutions import consume_resolutions
from services.earning.consumers.shop_events import (
    consume_fulfillments,
    consume_orders,
    consume_refunds,
)
from services.earning.handlers import ledger_events
from services.earning.handlers.books_check import books_checker
from services.earning.handlers.clock import StoreClocks
from services.earning.handlers.dead_letters import dead_letter_purger
from services.earning.handlers.forecasts import forecaster
from services.earning.handlers.posting import PostingRequest, post_batch
from services.earning.handlers.summary import Summaries, folding
from services.earning.handlers.sweeping import sweeper
from services.earning.settings import Settings


def build(settings: Settings) -> ASGIApp:
    """The app with the parts that `settings.roles` names; it connects when it starts."""
    write_engine = create_batch_engine(settings.database_url, name="earning batches")
    read_engine = create_engine(settings.database_url, name="earning reads")
    slow_reads = SlowReads(read_engine)

    clocks = StoreClocks(write_engine, movable=settings.mode == "local")

    async def post(requests: Sequence[PostingRequest]) -> Sequence[RequestOutcome]:
        outcomes = await post_batch(write_engine, requests)
        messaging.wake_relay()
        return outcomes

    group_commit = GroupCommit(
        post, gather_seconds=GATHER_SECONDS, observe=metrics.GROUP_COMMIT_SIZE.observe
    )

    messaging = Messaging(
        bootstrap=settings.kafka_url,
        security=settings,
        database_url=settings.database_url,
        consumers=(
            partial(
                consume_orders,
                write_engine,
                clocks,
                settings.kafka_url,
                group_commit,
                security=settings,
            ),
            partial(consume_refunds, write_engine, clocks),
            partial(consume_fulfillments, write_engine, clocks),
            partial(consume_resolutions, write_engine),
            partial(consume_dead_letters, write_engine),
        )
        if "consumers" in settings.roles
        else (),
        relay="relay" in settings.roles,
        publishes="api" in settings.roles,
        unpack=ledger_events.unpack,
    )

    progress = ProgressReader(
        "earning",
        settings.kafka_url,
        stopped=messaging.stopped_groups,
        outbox_engine=read_engine,
        security=settings,
    )

    return create_app(
        routes=(*routes.PUBLIC, *routes.INTERNAL) if "api" in settings.roles else (),
        internal_token=settings.internal_token,
        checks={"database": partial(ping, read_engine), "messaging": messaging.ready},
        progress=progress.read,
        background=[
            OnStop(write_engine.dispose),
            OnStop(read_engine.dispose),
            messaging,
            progress,
            group_commit,
            folding(write_engine),
            idempotency_key_purger(write_engine),
            dead_letter_purger(write_engine),
            *([books_checker(read_engine)] if "books-check" in settings.roles else []),
            *(
                [
                    sweeper(write_engine, read_engine, messaging.wake_relay),
                    forecaster(read_engine),
                ]
                if "sweeper" in settings.roles
                else []
            ),
        ],
        state={
            "resources": Resources(
                write_engine=write_engine,
                read_engine=read_engine,
                slow_reads=slow_reads,
                group_commit=group_commit,
                summaries=Summaries(slow_reads),
                clocks=clocks,
                publish=messaging.publish,
                wake_relay=messaging.wake_relay,
            )
        },
        is_transient=is_transient,
    )
