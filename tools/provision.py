"""The commands `provision`, `migrate`, `server-passwords` and `demo-store`: servers for the services.

They prepare the servers of docker-compose.yml, and external servers alike.
"""

import argparse
import asyncio
import os
from pathlib import Path
from typing import Any

from rich.console import Console

from libs.kernel.settings import load
from tools.stack import config, postgres, record, seed, servers, services
from tools.stack.config import SERVICES, WITH_DATABASE
from tools.stack.errors import StackError
from tools.stack.record import Record
from tools.stack.servers import Users


def register(commands: Any) -> None:
    """Add the commands."""
    command = commands.add_parser(
        "provision", help="create databases, roles, users and topics; write each service's settings"
    )
    command.add_argument(
        "--to",
        type=Path,
        metavar="FOLDER",
        help="for <service>/settings.env; default: in WHALE_HOME",
    )
    command.add_argument(
        "--no-redis-users", action="store_true", help="all services use WHALE_REDIS_URL as it is"
    )
    command.add_argument(
        "--no-kafka-users",
        action="store_true",
        help="each service gets its Kafka user and its access elsewhere",
    )
    command.add_argument(
        "--new-secrets",
        action="store_true",
        help="where secrets.json is lost: generate another, which makes every API key invalid",
    )
    command.set_defaults(run=_provision)
    command = commands.add_parser("migrate", help="migrate the databases of all services, or some")
    command.add_argument("service", nargs="*", help=f"of {', '.join(WITH_DATABASE)}")
    command.set_defaults(run=_migrate)
    command = commands.add_parser(
        "server-passwords", help="write what the servers of docker-compose.yml start with"
    )
    command.add_argument("folder", type=Path)
    command.set_defaults(run=_write_server_passwords)
    command = commands.add_parser("demo-store", help="create the demo store in a running stack")
    command.set_defaults(run=_create_demo_store)


def _provision(arguments: argparse.Namespace) -> int:
    """Prepare the servers that the settings name, and print what was done."""
    settings = load(servers.Settings, os.environ)
    _create_folder(settings.folder)
    users = Users(redis=not arguments.no_redis_users, kafka=not arguments.no_kafka_users)
    addresses, secrets = asyncio.run(
        _prepare(settings, users=users, may_generate=arguments.new_secrets)
    )
    files = {
        service: servers.service_settings(service, addresses, secrets, users=users)
        for service in SERVICES
    }
    if settings.uses_sasl and users.kafka:
        for client in servers.KAFKA_CLIENTS:
            files[client] = servers.client_settings(client, addresses, secrets)
    for name, values in files.items():
        path = _write(arguments.to or settings.folder / "settings", name, values)
        print(f"wrote {path}")
    recorded = servers.operators_addresses(addresses, secrets, users=users)
    record.write(settings.folder, Record(addresses=recorded, is_supervised=False))
    return 0


async def _prepare(
    settings: servers.Settings, *, users: Users, may_generate: bool
) -> tuple[services.Addresses, config.Secrets]:
    """Prepare the servers, one provisioning at a time. Without `may_generate`, new secrets are
    generated for new servers only."""
    async with postgres.provisioning_lock(servers.postgres_url(settings)) as connection:
        if not may_generate:
            await servers.check_secrets(settings, connection)
        secrets = config.stack_secrets(settings.folder)
        addresses = servers.addresses(settings, secrets)
        await _prepare_servers(settings, addresses, secrets, users=users)
    return addresses, secrets


async def _prepare_servers(
    settings: servers.Settings,
    addresses: services.Addresses,
    secrets: config.Secrets,
    *,
    users: Users,
) -> None:
    console = Console(highlight=False)
    with console.status("PostgreSQL …"):
        await servers.prepare_postgres(addresses, secrets)
    console.print(f"PostgreSQL: {len(WITH_DATABASE)} databases, each with two roles")
    if users.redis:
        with console.status("Redis …"):
            loss = await servers.prepare_redis(addresses, secrets)
        console.print(f"Redis: the users {', '.join(servers.redis_passwords(secrets))}")
        if loss is not None:
            console.print(
                f"Redis loses these users when it restarts: {loss} Configure an `aclfile` that Redis "
                "can write, or run `provision` after each restart.",
                soft_wrap=True,
            )
    with console.status("Kafka …"):
        created = await servers.prepare_kafka(
            addresses, secrets, replication=settings.kafka_replication, users=users.kafka
        )
    console.print(f"Kafka: {len(created)} topics created" if created else "Kafka: has all topics")


def _write(folder: Path, service: str, values: dict[str, str]) -> Path:
    try:
        return servers.write_settings(folder, service, values)
    except OSError as error:
        raise StackError(f"{error.filename} cannot be written: {error.strerror}.") from error


def _migrate(arguments: argparse.Namespace) -> int:
    """Migrate the databases, one after the other."""
    if record.read(config.settings().folder) is None:
        raise StackError(
            "There are no addresses in WHALE_HOME: run `python -m tools provision` first."
        )
    stack = record.find_running()
    names = servers.check_services(arguments.service)

    async def migrate_all() -> None:
        async for service in services.migrate(names, stack.addresses, stack.secrets):
            print(f"migrated {service}", flush=True)

    asyncio.run(migrate_all())
    return 0


def _write_server_passwords(arguments: argparse.Namespace) -> int:
    folder = config.settings().folder
    _create_folder(folder)
    servers.write_server_passwords(arguments.folder, config.stack_secrets(folder))
    return 0


def _create_demo_store(_arguments: argparse.Namespace) -> int:
    stack = record.find_running()
    asyncio.run(seed.create_demo_store(stack.addresses, stack.secrets))
    print(f"The demo store {config.DEMO_STORE} has the key {config.DEMO_KEY}")
    return 0


def _create_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StackError(
            f"{folder} cannot be created: {error.strerror}. Set WHALE_HOME to another folder."
        ) from error
