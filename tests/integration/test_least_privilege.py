"""The local stack's servers: who may reach them, what they may do, and who can read the secrets."""

import os
import secrets
import shutil
import stat
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import msgspec
import psutil
import pytest
from redis.asyncio import Redis
from redis.exceptions import AuthenticationError, ResponseError

from tests.support import Stack
from tools.stack import config, services, state, unprivileged
from tools.stack.config import SERVICES, WITH_DATABASE

ROLES = [role for service in WITH_DATABASE for role in (service, f"{service}_owner")]
SERVERS = {"postgres", "redis", "kafka"}
only_root = pytest.mark.skipif(os.geteuid() != 0, reason="for the stack of root")


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder for another stack, open to the user that the servers run as."""
    path = Path("/tmp" if os.geteuid() == 0 else os.environ.get("TMPDIR", "/tmp"))
    path /= f"whale-test-{secrets.token_hex(4)}"
    yield path
    shutil.rmtree(path, ignore_errors=True)


def everything_secret(stack: Stack) -> set[str]:
    stack_secrets = config.stack_secrets(stack.home)
    named = {value for value in msgspec.structs.astuple(stack_secrets) if value is not None}
    return named | {stack_secrets.password_of(role) for role in ROLES}


def command_lines() -> set[str]:
    """What `ps` shows to everybody, now."""
    return {" ".join(process.info["cmdline"] or ()) for process in psutil.process_iter(["cmdline"])}


@contextmanager
def watching_command_lines() -> Iterator[set[str]]:
    """Every command line that is seen while the context lasts."""
    seen: set[str] = set()
    ended = threading.Event()

    def look() -> None:
        while not ended.is_set():
            seen.update(command_lines())
            time.sleep(0.1)

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield seen
    finally:
        ended.set()
        watcher.join()


def lines_with(secret: set[str], seen: set[str]) -> list[str]:
    return [line for line in seen if any(one in line for one in secret)]


# -- the process list


@pytest.mark.timeout(400)
def test_no_secret_is_in_the_process_list_while_the_servers_start(home: Path) -> None:
    other = Stack(home, WHALE_SERVICES="none")
    try:
        with watching_command_lines() as seen:
            other.up()
    finally:
        other.down()
    for program in ("initdb", "StorageTool", "tools.stack.migrations", "kafka.Kafka"):
        assert any(program in line for line in seen), f"{program} was not seen"
    assert lines_with(everything_secret(other), seen) == []


def test_no_secret_is_in_the_process_list_while_the_stack_runs(stack: Stack) -> None:
    with watching_command_lines() as seen:
        key = stack.run("key", "--store", "store_ps").stdout.split()[-1]
    for program in (*(f"services.{name}" for name in SERVICES), "services.gateway.keys"):
        assert any(program in line for line in seen), f"{program} was not seen"
    assert lines_with(everything_secret(stack) | {key}, seen) == []


@pytest.mark.parametrize("name", ["secrets.json", "data/redis/redis.conf"])
def test_what_holds_a_secret_is_its_owners_alone(stack: Stack, name: str) -> None:
    mode = (stack.home / name).stat().st_mode
    assert stat.S_IMODE(mode) == 0o600


# -- users


@only_root
def test_no_server_runs_as_root(stack: Stack) -> None:
    known = state.read(stack.home)
    assert known is not None
    family = {
        one.name: [process, *process.children(recursive=True)]
        for one in known.processes
        for process in [psutil.Process(one.pid)]
    }
    assert set(family) >= SERVERS
    for name in SERVERS:
        for process in family[name]:
            assert {process.username()} == {unprivileged.server_user()}, process
            assert 0 not in process.uids(), process
            assert 0 not in process.gids(), process


# -- PostgreSQL


async def connects(url: str) -> bool:
    try:
        connection = await asyncpg.connect(url, timeout=5)
    except (asyncpg.InvalidPasswordError, asyncpg.InsufficientPrivilegeError):
        return False
    await connection.close()
    return True


def url_of(stack: Stack, role: str, *, database: str, password: str | None = None) -> str:
    given = password or config.stack_secrets(stack.home).password_of(role)
    return f"postgresql://{role}:{given}@127.0.0.1:{stack.settings.postgres_port}/{database}"


@pytest.mark.parametrize("role", ROLES)
async def test_a_role_connects_to_its_own_database_and_to_no_other(stack: Stack, role: str) -> None:
    own = role.removesuffix("_owner")
    reached = [
        database
        for database in (*WITH_DATABASE, "postgres", "template1")
        if await connects(url_of(stack, role, database=database))
    ]
    assert reached == [own]


@pytest.mark.parametrize("role", [*ROLES, "postgres"])
async def test_no_role_has_the_password_of_another(stack: Stack, role: str) -> None:
    stack_secrets = config.stack_secrets(stack.home)
    database = role.removesuffix("_owner")
    others = {stack_secrets.password_of(other) for other in (*ROLES, "postgres") if other != role}
    others |= {stack_secrets.role_secret, stack_secrets.redis_password}
    others |= {stack_secrets.superuser_password} - (
        {stack_secrets.superuser_password} if role == "postgres" else set()
    )
    for password in others:
        assert not await connects(url_of(stack, role, database=database, password=password))


# -- Redis


async def test_redis_refuses_whoever_has_no_password(stack: Stack) -> None:
    async with Redis(port=stack.settings.redis_port) as anonymous:
        with pytest.raises(AuthenticationError):
            await anonymous.get("key")


@pytest.mark.parametrize(
    "command",
    [
        "CONFIG SET dir /tmp",
        "CONFIG SET dbfilename file",
        "CONFIG GET requirepass",
        "SAVE",
        "BGSAVE",
        "DEBUG JMAP",
        "MODULE LOAD /tmp/module.so",
        "REPLICAOF 127.0.0.1 1",
        "ACL SETUSER default nopass",
        "MONITOR",
        "KEYS *",
        "FLUSHALL",
        "SHUTDOWN",
        "CLIENT KILL TYPE normal",
    ],
)
async def test_redis_takes_no_command_that_reaches_beyond_keys(stack: Stack, command: str) -> None:
    async with Redis.from_url(stack.addresses.redis) as client:
        with pytest.raises(ResponseError, match=r"permissions|not allowed"):
            await client.execute_command(*command.split())
        assert await client.ping()


# -- folders from before


@pytest.mark.timeout(400)
async def test_a_folder_with_one_password_for_all_is_upgraded(home: Path) -> None:
    before = "the-one-password-of-everybody"
    other = Stack(home, WHALE_SERVICES="none")
    try:
        other.up()
        await _become_a_folder_from_before(other, before)
        other.up()
        stack_secrets = config.stack_secrets(home)
        assert stack_secrets.database_password is None
        for role in (*ROLES, "postgres"):
            database = role.removesuffix("_owner")
            assert not await connects(url_of(other, role, database=database, password=before))
        assert await connects(other.addresses.postgres_admin)
        for service in WITH_DATABASE:
            assert await connects(other.database(service))
            assert await connects(other.database(service, owner=True))
    finally:
        other.down()


async def _become_a_folder_from_before(stack: Stack, password: str) -> None:
    """One password for everybody, databases open to everybody, Kafka's data written by root."""
    connection = await asyncpg.connect(stack.addresses.postgres_admin)
    for role in (*ROLES, "postgres"):
        await connection.execute(f"ALTER ROLE \"{role}\" PASSWORD '{password}'")
    for database in WITH_DATABASE:
        await connection.execute(f'GRANT CONNECT ON DATABASE "{database}" TO PUBLIC')
    await connection.close()
    stack.down()
    stack_secrets = config.stack_secrets(stack.home)
    old = {
        "internal_token": stack_secrets.internal_token,
        "key_secret": stack_secrets.key_secret,
        "database_password": password,
    }
    config.write_private(stack.home / "secrets.json", msgspec.json.encode(old))
    data = services.data_folder(stack.settings, "kafka") / "data"
    for path in (*data.rglob("*"), data):
        os.chown(path, os.geteuid(), -1)
