"""Running a service: settings, uvicorn on uvloop, a metrics port, and a graceful shutdown."""

import gc
import resource
import sys
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, Protocol, TypeVar, cast

import uvicorn
from prometheus_client import start_http_server

from libs.kernel.settings import SettingsError, load
from libs.observability import logging, tracing
from libs.web.connections import Connections, Limits
from libs.web.protocol import LimitedProtocol
from libs.web.shutdown import GRACE_SECONDS, GracefulServer, StoppableApp

# A batch allocates tens of thousands of short-lived objects without cycles: collecting after every 700,
# Python's default, costs a twentieth of the time. Objects from before the start are never collected.
_YOUNG_OBJECTS: Final = 20_000
# After so many collections, the objects that survived them are collected too. They are few, so that it takes
# milliseconds. Python's default is 10: garbage that survived once would stay for a long time, with all the
# bytes that it holds.
_COLLECTIONS: Final = 3
# Longer than our clients keep an idle connection, so that they never send a request on a connection
# that the server is closing.
_KEEP_ALIVE_SECONDS: Final = 75


class ServiceSettings(Protocol):
    """The settings that every service has."""

    @property
    def http_host(self) -> str: ...
    @property
    def http_port(self) -> int: ...
    @property
    def metrics_port(self) -> int: ...
    @property
    def log_level(self) -> str: ...
    @property
    def otlp_endpoint(self) -> str: ...


S = TypeVar("S", bound=ServiceSettings)


def main(
    service: str, kind: type[S], build: Callable[[S], Any], environ: Mapping[str, str]
) -> None:
    """Run `service` with settings from `environ`; exits with an explanation if they are invalid."""
    try:
        settings = load(kind, environ)
    except SettingsError as error:
        sys.exit(str(error))
    logging.configure(service=service, level=settings.log_level)
    tracing.configure(service=service, endpoint=settings.otlp_endpoint)
    serve(
        build(settings),
        host=settings.http_host,
        port=settings.http_port,
        metrics_port=settings.metrics_port,
    )


def serve(app: Any, *, host: str, port: int, metrics_port: int) -> None:
    """Serve until SIGTERM or SIGINT, then shut down as libs.web.shutdown describes."""
    _configure_garbage_collection()
    limits = Limits()
    _raise_file_limit(2 * limits.connections)
    if metrics_port:
        start_http_server(metrics_port, addr=host)
    stoppable = StoppableApp(app)
    server = GracefulServer(
        uvicorn.Config(
            stoppable,
            host=host,
            port=port,
            loop="uvloop",
            # uvicorn expects a class, and only calls it.
            http=cast(
                "type[LimitedProtocol]", partial(LimitedProtocol, registry=Connections(limits))
            ),
            ws="none",
            lifespan="on",
            access_log=False,
            log_config=None,
            server_header=False,
            date_header=False,
            timeout_graceful_shutdown=GRACE_SECONDS,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            backlog=2_048,
        ),
        stoppable,
    )
    server.run()


def _configure_garbage_collection() -> None:
    gc.collect()
    gc.freeze()
    # A full collection waits until the old objects have grown by a quarter since the last one. This one finds
    # none.
    gc.collect()
    gc.set_threshold(_YOUNG_OBJECTS, _COLLECTIONS, _COLLECTIONS)


def _raise_file_limit(required: int) -> None:
    """Raise the soft limit on open files, so that the limit on connections is reached first."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = required if hard == resource.RLIM_INFINITY else min(required, hard)
    if soft != resource.RLIM_INFINITY and soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
