"""The composition root of earning: engines, the HTTP lane, consumers and relay, in one process."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial

from litestar import Litestar

from libs.observability import metrics
from libs.persistence.engine import create_batch_engine, create_engine, ping
from libs.persistence.gatherer import Gatherer
from libs.web.app import Check, create_app
from services.earning.api.routes import ROUTES
from services.earning.handlers.posting import Done, Work, post_batch
from services.earning.handlers.resources import Resources
from services.earning.settings import Settings


def build(settings: Settings) -> Litestar:
    """The app with the parts that `settings.roles` names; nothing connects before it starts."""
    batches = create_batch_engine(settings.database_url, name="earning batches")
    reads = create_engine(settings.database_url, name="earning reads")

    async def post(works: Sequence[Work]) -> Sequence[Done | Exception]:
        return await post_batch(batches, works)

    gatherer = Gatherer(post, observe=metrics.GROUP_COMMIT_SIZE.observe)
    checks: dict[str, Check] = {"database": partial(ping, reads)}

    @asynccontextmanager
    async def running(_app: Litestar) -> AsyncIterator[None]:
        try:
            yield
        finally:
            await gatherer.drain()
            await batches.dispose()
            await reads.dispose()

    return create_app(
        routes=ROUTES if "api" in settings.roles else (),
        internal_token=settings.internal_token,
        checks=checks,
        lifespan=[running],
        state={"resources": Resources(batches, reads, gatherer)},
    )
