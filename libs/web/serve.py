"""Runs a service: its settings, uvicorn on uvloop, a port for metrics, and an orderly stop."""

import gc
import resource
import sys
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, Protocol, TypeVar, cast

import uvicorn
from prometheus_client import start_http_server

from libs.kernel.settings import SettingsError, load
from libs.observability import logging
from libs.web.connections import Connections, Limits
from libs.web.protocol import LimitedProtocol
from libs.web.stopping import GRACE_SECONDS, OrderlyServer, Readiness

# A batch makes tens of thousands of objects that live as long as it and have no cycles. Python would
# scan them after every 700, which costs a twentieth of the work. Objects from the start are never scanned.
_YOUNG_OBJECTS: Final = 20_000
# Longer than the clients of this system keep an idle connection, so that the server does not close one
# at the moment when a client sends on it.
_KEEP_ALIVE_SECONDS: Final = 75


class ServiceSettings(Protocol):
    """The settings that every service needs to run."""

    @property
    def http_host(self) -> str: ...
    @property
    def http_port(self) -> int: ...
    @property
    def metrics_port(self) -> int: ...
    @property
    def log_level(self) -> str: ...


S = TypeVar("S", bound=ServiceSettings)


def main(
    service: str, kind: type[S], build: Callable[[S], Any], environ: Mapping[str, str]
) -> None:
    """Run `service` with the settings of `environ`; invalid ones end the process with a message."""
    try:
        settings = load(kind, environ)
    except SettingsError as error:
        sys.exit(str(error))
    logging.configure(service=service, level=settings.log_level)
    serve(
        build(settings),
        host=settings.http_host,
        port=settings.http_port,
        metrics_port=settings.metrics_port,
    )


def serve(app: Any, *, host: str, port: int, metrics_port: int) -> None:
    """Serve until SIGTERM or SIGINT, then stop as libs.web.stopping describes."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG_OBJECTS, *gc.get_threshold()[1:])
    limits = Limits()
    _allow_files(2 * limits.connections)
    if metrics_port:
        start_http_server(metrics_port, addr=host)
    readiness = Readiness(app)
    server = OrderlyServer(
        uvicorn.Config(
            readiness,
            host=host,
            port=port,
            loop="uvloop",
            # uvicorn expects a class, and calls it.
            http=cast(
                "type[LimitedProtocol]", partial(LimitedProtocol, register=Connections(limits))
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
        readiness,
    )
    server.run()


def _allow_files(wanted: int) -> None:
    """Raise the soft limit on open files, so that the limit on connections applies first."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
