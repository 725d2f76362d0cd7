"""The commands `provision`, `migrate`, `server-passwords` and `demo-store`: servers for the services.

They prepare the servers of docker-compose.yml, and external servers alike.
"""

import argparse
import asyncio
import os
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from libs.kernel.settings import load
from tools.stack import config, provision, record, seed, services
from tools.stack.config import SERVICES, WITH_DATABASE
from tools.stack.errors import StackError
from tools.stack.provision import Users
from tools.stack.record import Record

COMMANDS: Final = ("provision", "migrate", "server-passwords", "demo-store")


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
    settings = load(provision.Settings, os.environ)
    _create_folder(settings.folder)
    secrets = config.stack_secrets(settings.folder)
    addresses = provision.addresses(settings, secrets)
    users = Users(redis=not arguments.no_redis_users, kafka=not arguments.no_kafka_users)
    asyncio.run(_prepare(settings, addresses, secrets, users=users))
    files = {
        service: provision.service_settings(service, addresses, secrets, users=users)
        for service in SERVICES
    }
    if settings.uses_sasl and users.kafka:
        for client in provision.KAFKA_CLIENTS:
            files[client] = provision.client_settings(client, addresses, secrets)
    for name, values in files.items():
        path = _write(arguments.to or settings.folder / "settings", name, values)
        print(f"wrote {path}")
    record.write(settings.folder, Record(addresses=addresses, is_supervised=False))
    return 0


async def _prepare(
    settings: provision.Settings,
    addresses: services.Addresses,
    secrets: config.Secrets,
    *,
    users: Users,
) -> None:
    console = Console(highlight=False)
    with console.status("PostgreSQL …"):
        await provision.prepare_postgres(addresses, secrets)
    console.print(f"PostgreSQL: {len(WITH_DATABASE)} databases, each with two roles")
    if users.redis:
        with console.status("Redis …"):
            loss = await provision.prepare_redis(addresses, secrets)
        console.print(f"Redis: the users {', '.join(provision.redis_passwords(secrets))}")
        if loss is not None:
            console.print(
                f"Redis loses these users when it restarts: {loss} Configure an `aclfile` that Redis "
                "can write, or run `provision` after each restart.",
                soft_wrap=True,
            )
    with console.status("Kafka …"):
        created = await provision.prepare_kafka(
            addresses, secrets, replication=settings.kafka_replication, users=users.kafka
        )
    console.print(f"Kafka: {len(created)} topics created" if created else "Kafka: has all topics")


def _write(folder: Path, service: str, values: dict[str, str]) -> Path:
    try:
        return provision.write_settings(folder, service, values)
    except OSError as error:
        raise StackError(f"{error.filename} cannot be written: {error.strerror}.") from error


def _migrate(arguments: argparse.Namespace) -> int:
    """Migrate the databases, several at a time."""
    if record.read(config.settings().folder) is None:
        raise StackError(
            "There are no addresses in WHALE_HOME: run `python -m tools provision` first."
        )
    stack = record.find_running()
    names = provision.check_services(arguments.service)

    async def migrate(service: str) -> None:
        await services.migrate(service, stack.addresses, stack.secrets)
        print(f"migrated {service}", flush=True)

    async def migrate_all() -> None:
        await asyncio.gather(*(migrate(service) for service in names))

    asyncio.run(migrate_all())
    return 0


def _write_server_passwords(arguments: argparse.Namespace) -> int:
    folder = config.settings().folder
    _create_folder(folder)
    provision.write_server_passwords(arguments.folder, config.stack_secrets(folder))
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
