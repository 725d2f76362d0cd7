"""Prepares servers for the services: databases, roles, users, topics, and the settings of each service.

Everything may be repeated: what exists stays, and passwords are set again. They are derived from one
secret in the stack's folder, so a lost settings file is written again as it was.
"""

import importlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import quote, urlsplit, urlunsplit

import msgspec
from aiokafka.errors import KafkaError
from msgspec import Struct

from libs.contracts.access import ACCESS, OPERATOR
from libs.kernel.kafka import KafkaSecurity
from libs.kernel.settings import PREFIX
from libs.messaging import topics
from tools.stack import config, kafka, kafka_users, postgres, redis, services
from tools.stack.config import ROOT, SERVICES, WITH_DATABASE, Secrets, write_private
from tools.stack.errors import StackError
from tools.stack.services import Addresses

SETTINGS_FILE: Final = "settings.env"
_KAFKA_CREDENTIALS: Final = frozenset({"WHALE_KAFKA_SASL_USERNAME", "WHALE_KAFKA_SASL_PASSWORD"})
# The clients of Kafka that are no services: shops, readers of events, operators.
KAFKA_CLIENTS: Final = tuple(
    access.principal for access in ACCESS if access.principal not in SERVICES
)


class Settings(KafkaSecurity, frozen=True, kw_only=True):
    """The servers to prepare, each at the address and with the credentials of an administrator."""

    # Without a password, the one that `server-passwords` generated.
    postgres_url: str
    # As above. Redis needs a user with the right to create users.
    redis_url: str
    kafka_url: str
    # How many brokers store each topic.
    kafka_replication: int = 1
    # Where the generated secrets and the record of the addresses are stored.
    home: str = ".local"
    # The address of each service, for the services that call it.
    service_url: str = "http://{service}:8080"
    mode: Literal["local", "production"] = "production"

    @property
    def folder(self) -> Path:
        """The folder of the secrets and of the record."""
        return ROOT / self.home


class Users(Struct, frozen=True, kw_only=True):
    """Whether each service gets users of its own on these servers."""

    redis: bool = True
    kafka: bool = True


def postgres_url(settings: Settings) -> str:
    """PostgreSQL's address for the administrator, with the password of `server-passwords` where the
    setting has none."""
    if not config.has_secrets(settings.folder):
        return settings.postgres_url
    return addresses(settings, config.stack_secrets(settings.folder)).postgres_admin


async def check_secrets(settings: Settings, connection: Any) -> None:
    """Raise StackError where the servers were provisioned before, and the secrets of that time are
    not in the folder: new ones would lock the running services out, and void every API key."""
    if config.has_secrets(settings.folder):
        return
    if roles := await postgres.find_roles(connection, WITH_DATABASE):
        raise StackError(
            f"PostgreSQL has the roles {', '.join(roles)} of an earlier provisioning, but "
            f"{settings.folder} has no secrets.json, on which their passwords and every API key "
            "depend. Put that file back, or set WHALE_HOME to its folder. Only if it is lost, pass "
            "--new-secrets: every API key is invalid then, and each service needs its new settings."
        )


def addresses(settings: Settings, secrets: Secrets) -> Addresses:
    """The addresses of the servers, with their passwords, and of the services."""
    return Addresses(
        postgres_admin=_with_password(settings.postgres_url, secrets.superuser_password),
        kafka=settings.kafka_url.removeprefix("kafka://"),
        kafka_security=msgspec.convert(
            {name: getattr(settings, name) for name in KafkaSecurity.__struct_fields__},
            KafkaSecurity,
        ),
        redis=_with_password(settings.redis_url, secrets.redis_password),
        urls={service: settings.service_url.format(service=service) for service in SERVICES},
        mode=settings.mode,
    )


async def prepare_postgres(addresses: Addresses, secrets: Secrets) -> None:
    """Create the database and the roles of each service. Raises StackError."""
    for service in WITH_DATABASE:
        await postgres.create_database(
            addresses.postgres_admin, service, secrets.password_of, name=service
        )


async def prepare_redis(addresses: Addresses, secrets: Secrets) -> str | None:
    """Create the users; returns why Redis loses them when it restarts, or None. Raises StackError."""
    return await redis.create_users(addresses.redis, redis_passwords(secrets))


async def prepare_kafka(
    addresses: Addresses, secrets: Secrets, *, replication: int, users: bool
) -> Sequence[str]:
    """Create the missing topics, and return their names. With `users`, where Kafka authenticates its
    clients, create the principals, and allow each its topics. Raises StackError."""
    bootstrap, security = addresses.kafka, addresses.kafka_security
    await kafka.wait_until_available(bootstrap, security=security)
    try:
        created = await topics.create(bootstrap, replication=replication, security=security)
    except KafkaError as error:
        raise StackError(
            f"Kafka does not create the topics: {error.args[0]}. The administrator needs the operations "
            f"Create, Describe and Alter on the cluster, and Kafka at least {replication} brokers "
            "(WHALE_KAFKA_REPLICATION)."
        ) from error
    if security.uses_sasl and users:
        passwords = {
            access.principal: _kafka_password(secrets, access.principal) for access in ACCESS
        }
        await kafka_users.create_users(bootstrap, passwords, security=security)
        await kafka_users.allow_access(bootstrap, security=security)
    return created


def redis_passwords(secrets: Secrets) -> dict[str, str]:
    """The password of each user of Redis: the services that use it."""
    users = [name for name in SERVICES if "redis_url" in _settings_type(name).__struct_fields__]
    return {name: secrets.password_of(f"redis:{name}") for name in users}


def _kafka_password(secrets: Secrets, principal: str) -> str:
    return secrets.password_of(f"kafka:{principal}")


def service_settings(
    service: str, addresses: Addresses, secrets: Secrets, *, users: Users
) -> dict[str, str]:
    """The settings of a service: what it needs of the addresses and secrets, and nothing else."""
    password = redis_passwords(secrets).get(service)
    if users.redis and password is not None:
        url = redis.user_url(addresses.redis, service, password)
        addresses = msgspec.structs.replace(addresses, redis=url)
    addresses = _as_principal(service, addresses, secrets)
    values = services.connections(service, addresses, secrets)
    needed = {f"{PREFIX}{name.upper()}" for name in _settings_type(service).__struct_fields__}
    if not users.kafka:
        needed -= _KAFKA_CREDENTIALS
    return {name: value for name, value in values.items() if name in needed}


def client_settings(client: str, addresses: Addresses, secrets: Secrets) -> dict[str, str]:
    """The settings with which a client that is no service reaches Kafka."""
    return services.kafka_settings(_as_principal(client, addresses, secrets))


def operators_addresses(addresses: Addresses, secrets: Secrets, *, users: Users) -> Addresses:
    """The addresses for the commands of operators: on Kafka as the principal `operator`, where `provision`
    created it, since an administrator need not have access to topics."""
    return _as_principal(OPERATOR, addresses, secrets) if users.kafka else addresses


def _as_principal(principal: str, addresses: Addresses, secrets: Secrets) -> Addresses:
    """The addresses with the principal's credentials for Kafka, not with the administrator's."""
    security = addresses.kafka_security
    if not security.uses_sasl:
        return addresses
    own = msgspec.structs.replace(
        security,
        kafka_sasl_username=principal,
        kafka_sasl_password=_kafka_password(secrets, principal),
    )
    return msgspec.structs.replace(addresses, kafka_security=own)


def write_settings(folder: Path, service: str, values: dict[str, str]) -> Path:
    """Write the settings file of a service or client, readable by its owner only; returns its path. Raises
    OSError."""
    path = folder / service / SETTINGS_FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [f"{name}={value}" for name, value in values.items()]
    write_private(path, "\n".join((*lines, "")).encode())
    return path


def write_server_passwords(folder: Path, secrets: Secrets) -> None:
    """Write what the servers of docker-compose.yml start with: the password of PostgreSQL's superuser,
    and Redis' users. Each server reads its file as a member of the owner's group."""
    files = {
        "postgres/password": secrets.superuser_password,
        "redis/users.acl": redis.access_list(secrets.redis_password, redis_passwords(secrets)),
    }
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_private(path, content.encode())
        path.chmod(0o640)


def check_services(names: Iterable[str]) -> Sequence[str]:
    """These services, or all with a database where none is named; raises StackError for an unknown
    name."""
    unknown = sorted(set(names) - set(WITH_DATABASE))
    if unknown:
        raise StackError(
            f"There is no database of {', '.join(unknown)}. Choose from: {', '.join(WITH_DATABASE)}."
        )
    return [service for service in WITH_DATABASE if service in set(names)] or WITH_DATABASE


def _settings_type(service: str) -> type[Struct]:
    settings: Any = importlib.import_module(f"services.{service}.settings")
    kind: type[Struct] = settings.Settings
    return kind


def _with_password(url: str, password: str) -> str:
    """The address with a password, where it has none."""
    parts = urlsplit(url)
    if parts.password is not None or parts.username is None:
        return url
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{parts.username}:{quote(password)}@{host}"))
