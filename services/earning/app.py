"""The composition root of earning: engines, API, consumers and relay in one process."""

from collections.abc import Sequence
from functools import partial

from litestar.types import ASGIApp

from libs.background.lifecycle import OnStop
from libs.messaging.runtime import Messaging
from libs.observability import metrics
from libs.persistence.engine import create_batch_engine, create_engine, ping
from libs.persistence.group_commit import GroupCommit
from libs.persistence.idempotency import idempotency_key_purger
from libs.persistence.slow_reads import SlowReads
from libs.web.app import create_app
from services.earning import consumers
from services.earning.api import routes
from services.earning.api.resources import Resources
from services.earning.handlers.dead_letters import dead_letter_purger
from services.earning.handlers.posting import PostingRequest, RequestOutcome, post_batch
from services.earning.handlers.summary import Summaries, folding
from services.earning.settings import Settings


def build(settings: Settings) -> ASGIApp:
    """The app with the parts that `settings.roles` names; it connects when it starts."""
    batches = create_batch_engine(settings.database_url, name="earning batches")
    reads = create_engine(settings.database_url, name="earning reads")
    slow_reads = SlowReads(reads)

    async def post(requests: Sequence[PostingRequest]) -> Sequence[RequestOutcome]:
        outcomes = await post_batch(batches, requests)
        messaging.wake_relay()
        return outcomes

    group_commit = GroupCommit(post, observe=metrics.GROUP_COMMIT_SIZE.observe)

    messaging = Messaging(
        bootstrap=settings.kafka_url,
        security=settings,
        database_url=settings.database_url,
        consumers=(
            partial(
                consumers.consume_orders,
                batches,
                settings.kafka_url,
                group_commit,
                security=settings,
            ),
            partial(consumers.consume_refunds, batches),
            partial(consumers.consume_resolutions, batches),
            partial(consumers.consume_dead_letters, batches),
        )
        if "consumers" in settings.roles
        else (),
        relay="relay" in settings.roles,
        publishes="api" in settings.roles,
    )

    return create_app(
        routes=(*routes.PUBLIC, *routes.INTERNAL) if "api" in settings.roles else (),
        internal_token=settings.internal_token,
        checks={"database": partial(ping, reads), "messaging": messaging.ready},
        background=[
            OnStop(batches.dispose),
            OnStop(reads.dispose),
            messaging,
            group_commit,
            folding(batches),
            idempotency_key_purger(batches),
            dead_letter_purger(batches),
        ],
        state={
            "resources": Resources(
                batches=batches,
                reads=reads,
                slow_reads=slow_reads,
                group_commit=group_commit,
                summaries=Summaries(slow_reads),
                publish=messaging.publish,
            )
        },
    )
