"""The composition root of earning: engines, API, consumers and relay in one process."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial

from litestar import Litestar
from litestar.types import ASGIApp

from libs.messaging.runtime import Messaging
from libs.observability import metrics
from libs.persistence.engine import create_batch_engine, create_engine, ping
from libs.persistence.gatherer import Gatherer
from libs.persistence.idempotency import keep_purging
from libs.persistence.turns import SlowReads
from libs.web.app import create_app
from services.earning import consumers
from services.earning.api import routes
from services.earning.api.resources import Resources
from services.earning.handlers.posting import Posted, PostingRequest, post_batch
from services.earning.handlers.summary import Summaries, keep_folding
from services.earning.settings import Settings


def build(settings: Settings) -> ASGIApp:
    """The app with the parts that `settings.roles` names; it connects when it starts."""
    batches = create_batch_engine(settings.database_url, name="earning batches")
    reads = create_engine(settings.database_url, name="earning reads")
    slow_reads = SlowReads(reads)

    async def post(requests: Sequence[PostingRequest]) -> Sequence[Posted]:
        posted = await post_batch(batches, requests)
        messaging.wake_relay()
        return posted

    group_commit = Gatherer(post, observe=metrics.GROUP_COMMIT_SIZE.observe)

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
        )
        if "consumers" in settings.roles
        else (),
        relay="relay" in settings.roles,
        publishes="api" in settings.roles,
    )

    @asynccontextmanager
    async def running(_app: Litestar) -> AsyncIterator[None]:
        chores = [
            asyncio.create_task(keep_folding(batches), name="days"),
            asyncio.create_task(keep_purging(batches), name="keys"),
        ]
        async with messaging:
            yield
            await group_commit.drain()
        for chore in chores:
            chore.cancel()
        await asyncio.gather(*chores, return_exceptions=True)
        await batches.dispose()
        await reads.dispose()

    return create_app(
        routes=(*routes.PUBLIC, *routes.INTERNAL) if "api" in settings.roles else (),
        internal_token=settings.internal_token,
        checks={"database": partial(ping, reads), "messaging": messaging.ready},
        lifespan=[running],
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
