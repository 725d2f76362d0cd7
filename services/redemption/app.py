"""The composition root of redemption: the HTTP lane, consumers and sweeper, in one process."""

import asyncio
from collections.abc import AsyncIterator
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
from libs.web.client import ServiceClient
from services.redemption import consumers
from services.redemption.api.routes import ROUTES
from services.redemption.handlers.desk import act
from services.redemption.handlers.peers import Peers
from services.redemption.handlers.resources import Resources
from services.redemption.handlers.sweeping import keep_sweeping
from services.redemption.settings import Settings


def build(settings: Settings) -> ASGIApp:
    """The app with the parts that `settings.roles` names; nothing connects before it starts."""
    batches = create_batch_engine(settings.database_url, name="redemption batches")
    reads = create_engine(settings.database_url, name="redemption reads")
    client = partial(
        ServiceClient,
        internal_token=settings.internal_token,
        timeout_seconds=settings.peer_timeout_seconds,
    )
    peers = Peers(
        earning=client("earning", settings.earning_url),
        catalog=client("catalog", settings.catalog_url),
    )
    gatherer = Gatherer(partial(act, batches), observe=metrics.GROUP_COMMIT_SIZE.observe)
    resources = Resources(batches, reads, SlowReads(reads), gatherer, peers)
    messaging = Messaging(
        bootstrap=settings.kafka_url,
        security=settings,
        database_url=settings.database_url,
        consumers=(
            partial(consumers.catalog_reward, batches),
            partial(consumers.points_posted, batches),
        )
        if "consumers" in settings.roles
        else (),
        relay=False,
    )

    @asynccontextmanager
    async def running(_app: Litestar) -> AsyncIterator[None]:
        await peers.earning.start()
        await peers.catalog.start()
        chores = [asyncio.create_task(keep_purging(batches), name="keys")]
        if "sweeper" in settings.roles:
            chores.append(asyncio.create_task(keep_sweeping(resources), name="sweeper"))
        async with messaging:
            yield
            for chore in chores:
                chore.cancel()
            await asyncio.gather(*chores, return_exceptions=True)
            await gatherer.drain()
        await peers.earning.stop()
        await peers.catalog.stop()
        await batches.dispose()
        await reads.dispose()

    return create_app(
        routes=ROUTES if "api" in settings.roles else (),
        internal_token=settings.internal_token,
        checks={"database": partial(ping, reads), "messaging": messaging.ready},
        lifespan=[running],
        state={"resources": resources},
    )
