"""`provision` and `migrate` on servers that run elsewhere: what they create, and the errors they report."""

import os
import secrets
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest
from redis.asyncio import Redis
from redis.exceptions import NoPermissionError

from libs.kernel.settings import load
from libs.testing.eventually import eventually
from services.dashboard.settings import Settings as DashboardSettings
from services.earning.settings import Settings as EarningSettings
from services.gateway.settings import Settings as GatewaySettings
from tests.support import ROOT, Stack
from tools.stack import config, postgres, redis
from tools.stack.config import SERVICES, WITH_DATABASE

REDIS_PASSWORD = "the password of an administrator"


@pytest.fixture(scope="module")
def servers() -> Iterator[Stack]:
    """The servers of a local stack, whose databases another stack's `provision` takes over: with
    `--new-secrets`, since they have the roles of the local stack."""
    home = Path("/tmp" if os.geteuid() == 0 else os.environ.get("TMPDIR", "/tmp"))
    stack = Stack(home / f"whale-test-{secrets.token_hex(4)}", WHALE_SERVICES="none")
    try:
        stack.up()
        yield stack
    finally:
        stack.down()
        shutil.rmtree(stack.home, ignore_errors=True)


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Redis with an administrator."""
    folder, port = tmp_path_factory.mktemp("redis"), config.free_port()
    (folder / "users.acl").write_text(redis.access_list(REDIS_PASSWORD, {}))
    command = [
        str(redis.find_executable()),
        "--port",
        str(port),
        "--aclfile",
        str(folder / "users.acl"),
    ]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(command, cwd=folder, stdout=log)
    try:
        yield f"redis://admin:{REDIS_PASSWORD.replace(' ', '%20')}@127.0.0.1:{port}/0"
    finally:
        server.terminate()
        server.wait()


class Operator:
    """Runs the commands with the settings of an operator, who has a folder of one's own."""

    def __init__(self, servers: Stack, redis_url: str, home: Path) -> None:
        self.home = home
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("WHALE_")},
            "WHALE_HOME": str(home),
            "WHALE_POSTGRES_URL": servers.addresses.postgres_admin,
            "WHALE_REDIS_URL": redis_url,
            "WHALE_KAFKA_URL": servers.kafka,
        }

    def run(self, *words: str, **changes: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "tools", *words],
            cwd=ROOT,
            env=self.environment | changes,
            capture_output=True,
            text=True,
            check=False,
        )

    def settings_file(self, service: str) -> Path:
        return self.home / "settings" / service / "settings.env"

    def error(self, *words: str, **changes: str) -> str:
        """The one sentence or two in which a command reports why it failed."""
        outcome = self.run(*words, **changes)
        assert outcome.returncode == 1, outcome.stdout
        assert len(outcome.stderr.splitlines()) == 1, outcome.stderr
        return outcome.stderr


@pytest.fixture
async def operator(servers: Stack, redis_url: str, tmp_path: Path) -> Operator:
    async def responds() -> None:
        assert await redis.is_available(redis_url)

    await eventually(responds)
    return Operator(servers, redis_url, tmp_path / "home")


@pytest.fixture
async def plain_role(servers: Stack, unique: str) -> str:
    """The address of PostgreSQL for an administrator who is no superuser."""
    connection = await asyncpg.connect(servers.addresses.postgres_admin)
    await connection.execute(f"CREATE ROLE \"dba{unique}\" LOGIN PASSWORD 'x' CREATEROLE CREATEDB")
    await connection.execute(f'GRANT CONNECT ON DATABASE postgres TO "dba{unique}"')
    await connection.close()
    return f"postgresql://dba{unique}:x@127.0.0.1:{servers.settings.postgres_port}/postgres"


async def test_every_service_gets_what_it_needs_and_nothing_else(operator: Operator) -> None:
    outcome = operator.run("provision", "--new-secrets")
    assert outcome.returncode == 0, outcome.stderr
    outcome = operator.run("migrate")
    assert sorted(outcome.stdout.splitlines()) == sorted(
        f"migrated {name}" for name in WITH_DATABASE
    )
    for service in SERVICES:
        assert stat.S_IMODE(operator.settings_file(service).stat().st_mode) == 0o600
    environ = {
        "WHALE_ENV_FILE": str(operator.settings_file("gateway")),
        "WHALE_HTTP_PORT": "8080",
    }
    gateway = load(GatewaySettings, environ)
    assert gateway.earning_url == ("http://earning:8080",)
    assert gateway.mode == "production"
    async with Redis.from_url(gateway.redis_url) as client:
        await client.set("rate:{x}", 1)
        with pytest.raises(NoPermissionError):
            await client.flushall()
    environ["WHALE_ENV_FILE"] = str(operator.settings_file("earning"))
    earning = load(EarningSettings, environ)
    connection = await asyncpg.connect(earning.database_url)
    assert await connection.fetchval("SELECT count(*) FROM entries") == 0
    await connection.close()
    text = operator.settings_file("earning").read_text()
    assert "REDIS" not in text
    assert "KEY_SECRET" not in text
    environ["WHALE_ENV_FILE"] = str(operator.settings_file("dashboard"))
    dashboard = load(DashboardSettings, environ)
    assert dashboard.gateway_url == "http://gateway:8080"
    assert dashboard.redis_url.startswith("redis://dashboard:")
    text = operator.settings_file("dashboard").read_text()
    assert "DATABASE" not in text
    assert "KEY_SECRET" not in text


async def test_provisioning_may_be_repeated_and_changes_nothing(operator: Operator) -> None:
    def files() -> list[str]:
        return [operator.settings_file(service).read_text() for service in SERVICES]

    assert operator.run("provision", "--new-secrets").returncode == 0
    before = files()
    outcome = operator.run("provision")
    assert outcome.returncode == 0, outcome.stderr
    assert "Kafka: has all topics" in outcome.stdout
    assert files() == before


def test_errors_name_the_address_the_role_the_password_or_the_rights(
    operator: Operator, servers: Stack
) -> None:
    url = servers.addresses.postgres_admin
    password = url.partition("postgres:")[2].partition("@")[0]
    port = str(servers.settings.postgres_port)
    for changed, expected in (
        (url.replace(password, "a-guess"), "refuses the password of the role postgres"),
        (
            url.replace("127.0.0.1", "nowhere.invalid"),
            "There is no host nowhere.invalid",
        ),
        (url.replace(port, "1"), "PostgreSQL at 127.0.0.1:1 does not respond"),
        (url.removesuffix("postgres") + "nothing", 'database "nothing" does not exist'),
        (
            f"{url}?sslmode=require",
            "does not offer TLS, which sslmode in WHALE_POSTGRES_URL requires",
        ),
        ("db.internal", "Write postgresql://role:password@host:port/database"),
    ):
        error = operator.error("provision", "--new-secrets", WHALE_POSTGRES_URL=changed)
        assert expected in error
        assert password not in error
        assert "WHALE_POSTGRES_URL" in error
    redis_url = operator.environment["WHALE_REDIS_URL"]
    for changed, expected in (
        (redis_url.replace("administrator", "guess"), "refuses the user admin or its password"),
        (servers.addresses.redis, "does not let the user default create users"),
        ("redis://admin:x@127.0.0.1:1/0", "Redis at 127.0.0.1:1 does not respond"),
        ("redis://admin:x@nowhere.invalid:1/0", "There is no host nowhere.invalid"),
        ("redis.internal", "Write redis://user:password@host:port/0"),
    ):
        assert expected in operator.error("provision", "--new-secrets", WHALE_REDIS_URL=changed)


async def test_a_role_that_may_create_roles_and_databases_is_enough(
    operator: Operator, plain_role: str, servers: Stack, redis_url: str, tmp_path: Path
) -> None:
    """Here it may not change the roles that a superuser created."""
    error = operator.error("provision", "--new-secrets", WHALE_POSTGRES_URL=plain_role)
    assert "with CREATEROLE and CREATEDB" in error
    connection = await asyncpg.connect(servers.addresses.postgres_admin)
    for service in WITH_DATABASE:
        await connection.execute(f'DROP DATABASE "{service}"')
        for role in (service, f"{service}_owner"):
            await connection.execute(f'DROP ROLE "{role}"')
    await connection.close()
    first = Operator(servers, redis_url, tmp_path / "first")
    for _ in range(2):
        outcome = first.run("provision", WHALE_POSTGRES_URL=plain_role)
        assert outcome.returncode == 0, outcome.stderr
    assert first.run("migrate", "earning").stdout == "migrated earning\n"


async def test_new_secrets_are_generated_for_provisioned_servers_only_where_the_operator_says_so(
    operator: Operator, servers: Stack, redis_url: str, tmp_path: Path
) -> None:
    assert operator.run("provision", "--new-secrets").returncode == 0
    elsewhere = Operator(servers, redis_url, tmp_path / "elsewhere")
    error = elsewhere.error("provision")
    assert f"{elsewhere.home} has no secrets.json" in error
    assert "pass --new-secrets" in error
    assert list(elsewhere.home.iterdir()) == []
    environ = {
        "WHALE_ENV_FILE": str(operator.settings_file("earning")),
        "WHALE_HTTP_PORT": "8080",
    }
    url = load(EarningSettings, environ).database_url
    await (await asyncpg.connect(url)).close()
    assert elsewhere.run("provision", "--new-secrets").returncode == 0
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(url)


async def test_one_provisioning_runs_at_a_time(operator: Operator, servers: Stack) -> None:
    async with postgres.provisioning_lock(servers.addresses.postgres_admin):
        error = operator.error("provision", "--new-secrets")
    assert "Another `provision` is preparing this PostgreSQL" in error
    assert not config.has_secrets(operator.home)
    assert operator.run("provision", "--new-secrets").returncode == 0


def test_migrations_of_an_unknown_service_or_without_addresses_are_refused(
    operator: Operator,
) -> None:
    assert "run `python -m tools provision` first" in operator.error("migrate")
    assert operator.run("provision", "--new-secrets").returncode == 0
    assert "There is no database of earnings" in operator.error("migrate", "earnings")
