"""`python -m tests.unit.web.stoppable PORT [hangs] [LIMIT=SECONDS …]`: a minimal app, served as services
are, with other limits of its shutdown."""

import asyncio
import sys
from typing import Any

from libs.web import serve, shutdown


async def app(scope: Any, receive: Any, send: Any) -> None:
    """`/slow` takes a second; with the argument `hangs`, the lifespan never ends."""
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        if "hangs" in sys.argv:
            await asyncio.sleep(3_600)
        await send({"type": "lifespan.shutdown.complete"})
        return
    if scope["path"] == "/slow":
        await asyncio.sleep(1)
    headers = [(b"content-length", b"2")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"ok"})


def set_limit(name: str, seconds: float) -> None:
    module = serve if hasattr(serve, name) else shutdown
    assert hasattr(module, name)
    setattr(module, name, seconds)


if __name__ == "__main__":
    for argument in sys.argv[2:]:
        limit, is_limit, value = argument.partition("=")
        if is_limit:
            set_limit(limit, float(value))
    serve.serve(app, host="127.0.0.1", port=int(sys.argv[1]), metrics_port=0)
