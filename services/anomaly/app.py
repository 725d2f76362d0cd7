"""The composition root of anomaly."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from litestar import Litestar

from libs.persistence.engine import create_engine, ping
from libs.web.app import create_app
from services.anomaly.settings import Settings


def build(settings: Settings) -> Litestar:
    """The app with the parts that `settings.roles` names; nothing connects before it starts."""
    engine = create_engine(settings.database_url, name="anomaly")

    @asynccontextmanager
    async def running(_app: Litestar) -> AsyncIterator[None]:
        yield
        await engine.dispose()

    return create_app(
        routes=(),
        internal_token=settings.internal_token,
        checks={"database": partial(ping, engine)},
        lifespan=[running],
        state={},
    )
