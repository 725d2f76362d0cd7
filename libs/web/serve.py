"""Running an app: uvicorn on uvloop, a metrics port beside it, and an orderly end."""

from typing import Any, Final

import uvicorn
from prometheus_client import start_http_server

# Longer than any request we serve, shorter than what orchestrators wait before they kill.
_GRACE_SECONDS: Final = 15


def serve(app: Any, *, host: str, port: int, metrics_port: int) -> None:
    """Serve until SIGTERM or SIGINT; requests under way are finished first."""
    if metrics_port:
        start_http_server(metrics_port, addr=host)
    server = uvicorn.Server(
        uvicorn.Config(
            app,
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
            timeout_graceful_shutdown=_GRACE_SECONDS,
            backlog=2_048,
        )
    )
    server.run()
