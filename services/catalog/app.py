"""The composition root of catalog: engines, routes, consumers and relay, in one process."""

from functools import partial

from litestar.types import ASGIApp

from libs.background.lifecycle import OnStop
from libs.http_client.service_client import ServiceClient
from libs.messaging.progress import ProgressReader
from libs.messaging.runtime import Messaging
from libs.persistence.engine import create_engine, ping
from libs.persistence.errors import is_transient
from libs.persistence.stored_responses import idempotency_key_purger
from libs.web.app import create_app
from services.catalog import consumers
from services.catalog.api import internal_routes, responses, routes
from services.catalog.clients import Tiers
from services.catalog.handlers.resources import Resources
from services.catalog.handlers.reward_pages import RewardPages
from services.catalog.settings import Settings


def build(settings: Settings) -> ASGIApp:
    """The app with the parts that `settings.roles` names; nothing connects before it starts."""
    write_engine = create_engine(settings.database_url, name="catalog writes")
    read_engine = create_engine(settings.database_url, name="catalog reads")
    messaging = Messaging(
        bootstrap=settings.kafka_url,
        security=settings,
        database_url=settings.database_url,
        consumers=(partial(consumers.consume_points, write_engine),)
        if "consumers" in settings.roles
        else (),
        relay="relay" in settings.roles,
    )
    pages = RewardPages(read_engine, encode_page=responses.encode_page)
    earning = (
        ServiceClient(
            "earning",
            settings.earning_url,
            internal_token=settings.internal_token,
            timeout_seconds=settings.peer_timeout_seconds,
        )
        if settings.earning_url
        else None
    )
    resources = Resources(write_engine, read_engine, pages, messaging.wake_relay, Tiers(earning))

    progress = ProgressReader(
        "catalog",
        settings.kafka_url,
        stopped=messaging.stopped_groups,
        outbox_engine=read_engine,
        security=settings,
    )

    return create_app(
        routes=(*routes.ROUTES, *internal_routes.ROUTES) if "api" in settings.roles else (),
        internal_token=settings.internal_token,
        checks={"database": partial(ping, read_engine), "messaging": messaging.ready},
        progress=progress.read,
        background=[
            OnStop(write_engine.dispose),
            OnStop(read_engine.dispose),
            *([] if earning is None else [earning]),
            messaging,
            progress,
            idempotency_key_purger(write_engine),
        ],
        state={"resources": resources},
        is_transient=is_transient,
    )
