"""The composition root of the dashboard."""

from litestar.types import ASGIApp
from redis.asyncio import Redis

from libs.background.lifecycle import OnStop
from libs.web.app import create_app
from services.dashboard.api.resources import Dashboard, create_assets, create_templates
from services.dashboard.api.routes import create_routes
from services.dashboard.clients import Clients
from services.dashboard.handlers.panels import Shared
from services.dashboard.settings import Settings
from services.dashboard.store.sessions import Sessions

# A page waits for its session no longer than for one of its panels.
_REDIS_SECONDS = 1.0


def build(settings: Settings) -> ASGIApp:
    """The app; nothing connects before it starts."""
    redis = Redis.from_url(
        settings.redis_url,
        socket_timeout=_REDIS_SECONDS,
        socket_connect_timeout=_REDIS_SECONDS,
    )
    clients = Clients(
        settings.gateway_url,
        timeout_seconds=settings.panel_timeout_seconds,
        write_timeout_seconds=settings.write_timeout_seconds,
    )
    assets = create_assets()
    is_local = settings.mode == "local"
    dashboard = Dashboard(
        clients=clients,
        sessions=Sessions(
            redis,
            secret=settings.session_secret,
            idle_seconds=settings.session_idle_seconds,
            max_seconds=settings.session_seconds,
        ),
        templates=create_templates(assets),
        assets=assets,
        shared=Shared(),
        is_local=is_local,
    )
    return create_app(
        routes=create_routes(is_local=is_local),
        internal_token=settings.internal_token,
        # Its pages say what is not available, so it serves them while Redis and the gateway are down.
        checks={},
        background=[OnStop(redis.aclose), OnStop(clients.stop)],
        state={"dashboard": dashboard},
        # It has no database; its pages render the errors of Redis and of the gateway themselves.
        is_transient=lambda _error: False,
    )
