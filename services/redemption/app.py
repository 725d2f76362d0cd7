"""The composition root of redemption: engines, routes, consumers and sweeper, in one process."""

from functools import partial

from litestar.types import ASGIApp

from libs.background.lifecycle import OnStop
from libs.http_client.service_client import ServiceClient
from libs.messaging.progress import ProgressReader
from libs.messaging.runtime import Messaging
from libs.observability import metrics
from libs.persistence.engine import create_batch_engine, create_engine, ping
from libs.persistence.errors import is_transient
from libs.persistence.group_commit import GATHER_SECONDS, GroupCommit
from libs.persistence.slow_reads import SlowReads
from libs.persistence.stored_responses import idempotency_key_purger
from libs.web.app import create_app
from services.redemption import consumers
from services.redemption.api.routes import ROUTES
from services.redemption.clients import Catalog, Ledger
from services.redemption.handlers.desk import apply
from services.redemption.handlers.resources import Resources
from services.redemption.handlers.sweeper import sweeper
from services.redemption.settings import Settings


def build(settings: Settings) -> ASGIApp:
    """The app with the parts that `settings.roles` names; nothing connects before it starts."""
    write_engine = create_batch_engine(settings.database_url, name="redemption batches")
    read_engine = create_engine(settings.database_url, name="redemption reads")
    client = partial(
        ServiceClient,
        internal_token=settings.internal_token,
        timeout_seconds=settings.peer_timeout_seconds,
    )
    earning = client("earning", settings.earning_url)
    catalog = client("catalog", settings.catalog_url)
    group_commit = GroupCommit(
        partial(apply, write_engine),
        gather_seconds=GATHER_SECONDS,
        observe=metrics.GROUP_COMMIT_SIZE.observe,
    )
    resources = Resources(
        write_engine,
        read_engine,
        SlowReads(read_engine),
        group_commit,
        Ledger(earning),
        Catalog(catalog),
    )
    messaging = Messaging(
        bootstrap=settings.kafka_url,
        security=settings,
        database_url=settings.database_url,
        consumers=(
            partial(consumers.consume_rewards, write_engine),
            partial(consumers.consume_points, write_engine),
        )
        if "consumers" in settings.roles
        else (),
        relay=False,
    )

    progress = ProgressReader(
        "redemption",
        settings.kafka_url,
        stopped=messaging.stopped_groups,
        outbox_engine=None,
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
            earning,
            catalog,
            messaging,
            progress,
            group_commit,
            idempotency_key_purger(write_engine),
            *([sweeper(resources)] if "sweeper" in settings.roles else []),
        ],
        state={"resources": resources},
        is_transient=is_transient,
    )
