"""Running a service: its settings, uvicorn on uvloop, a metrics port beside it, an orderly end."""

import gc
import sys
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol, TypeVar

import uvicorn
from prometheus_client import start_http_server

from libs.kernel.settings import SettingsError, load
from libs.observability import logging
from libs.web.stopping import GRACE_SECONDS, OrderlyServer, Readiness

# A batch makes tens of thousands of objects that die with it and hold no cycles: looking through
# them after every 700, as Python would, costs a twentieth of the work. What is loaded by the start stays.
_YOUNG_OBJECTS: Final = 20_000
# Longer than our own clients keep an idle connection: whoever sends on one must not find that the
# server closed it at that very moment.
_KEEP_ALIVE_SECONDS: Final = 75


class ServiceSettings(Protocol):
    """What every service is told of how to run."""

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
    """Run `service` as its environment says; faulty settings end the process with what they need."""
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
    """Serve until SIGTERM or SIGINT; libs.web.stopping says what follows."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG_OBJECTS, *gc.get_threshold()[1:])
    if metrics_port:
        start_http_server(metrics_port, addr=host)
    readiness = Readiness(app)
    server = OrderlyServer(
        uvicorn.Config(
            readiness,
            host=host,
            port=port,
            loop="uvloop",
            http="httptools",
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
