"""The composition root of the gateway."""

from functools import partial

from litestar import Litestar, asgi
from litestar.types import ASGIApp
from redis.asyncio import Redis

from libs.background.lifecycle import OnStop
from libs.http_client.service_client import ServiceClient
from libs.persistence.engine import create_engine, ping
from libs.persistence.errors import is_transient
from libs.web.app import error_renderer, lifespan_of
from libs.web.health import InternalToken, Readiness, health_routes
from services.gateway.api import dashboard
from services.gateway.api.bodies import BodyMemory
from services.gateway.api.edge import Edge
from services.gateway.api.own_operations import OwnOperations
from services.gateway.api.pages import documentation
from services.gateway.api.v1 import V1
from services.gateway.handlers.authentication import Authenticator
from services.gateway.handlers.pacer import Pacer
from services.gateway.handlers.pipeline import PipelineReader
from services.gateway.handlers.rate_limits import RateLimiter
from services.gateway.settings import Settings

# A rate limit is worth a short wait and no more: without Redis, requests are not limited.
_REDIS_SECONDS = 0.25


def build(settings: Settings) -> ASGIApp:
    """The app; nothing connects before it starts."""
    engine = create_engine(settings.database_url, name="gateway")
    redis = Redis.from_url(
        settings.redis_url,
        socket_timeout=_REDIS_SECONDS,
        socket_connect_timeout=_REDIS_SECONDS,
    )
    services = {
        name: ServiceClient(
            name,
            urls,
            internal_token=settings.internal_token,
            timeout_seconds=settings.upstream_timeout_seconds,
        )
        for name, urls in settings.services.items()
    }
    pipeline = PipelineReader(settings.services, internal_token=settings.internal_token)
    if settings.dashboard_url:
        services["dashboard"] = ServiceClient(
            "dashboard",
            settings.dashboard_url,
            internal_token=settings.internal_token,
            timeout_seconds=settings.upstream_timeout_seconds,
            response_headers=dashboard.RESPONSE_HEADERS,
        )
    unauthenticated = Pacer()
    bodies = BodyMemory()
    v1 = V1(
        Authenticator(
            engine,
            secret=settings.key_secret,
            local=settings.mode == "local",
            unauthenticated=unauthenticated,
        ),
        RateLimiter(redis, rate=settings.rate_limit_per_second, burst=settings.rate_limit_burst),
        bodies,
        services,
        OwnOperations(engine, pipeline),
    )

    app = Litestar(
        route_handlers=[
            asgi("/v1", is_mount=True, copy_scope=True)(v1.__call__),
            *documentation(),
            *([dashboard.mount(services["dashboard"], bodies)] if settings.dashboard_url else []),
            *health_routes(
                Readiness({"database": partial(ping, engine)}),
                InternalToken(settings.internal_token),
            ),
        ],
        exception_handlers={Exception: error_renderer(is_transient)},
        lifespan=[
            lifespan_of(
                [OnStop(engine.dispose), OnStop(redis.aclose), *services.values(), pipeline]
            )
        ],
        openapi_config=None,
        logging_config=None,
    )
    return Edge(app, unauthenticated)
