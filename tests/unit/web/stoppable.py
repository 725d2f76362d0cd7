"""`python -m tests.unit.web.stoppable PORT`: a minimal app, served as services are."""

import asyncio
import sys
from typing import Any

from libs.web.serve import serve


async def app(scope: Any, receive: Any, send: Any) -> None:
    """`/slow` takes a second; with the argument `hangs`, the lifespan never ends."""
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        if "hangs" in sys.argv:
            await asyncio.sleep(60)
        await send({"type": "lifespan.shutdown.complete"})
        return
    if scope["path"] == "/slow":
        await asyncio.sleep(1)
    headers = [(b"content-length", b"2")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"ok"})


if __name__ == "__main__":
    serve(app, host="127.0.0.1", port=int(sys.argv[1]), metrics_port=0)
