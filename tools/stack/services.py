"""The services of the local stack: their addresses, environment and processes."""

import sys
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from libs.kernel.kafka import KafkaSecurity
from tools.stack import postgres
from tools.stack.config import LOOPBACK, SERVICES, Secrets, Settings, free_ports
from tools.stack.process import ProcessSpec


class Addresses(Struct, frozen=True, kw_only=True):
    """The addresses of the stack's parts, as its services get them; `http` and `metrics` are ports."""

    postgres_admin: str
    kafka: str
    kafka_security: KafkaSecurity
    redis: str
    http: Mapping[str, int]
    metrics: Mapping[str, int]


def addresses(settings: Settings, secrets: Secrets) -> Addresses:
    """The servers at the addresses in the settings, the services on free ports, the gateway on its
    configured port."""
    drawn = free_ports(2 * len(SERVICES), apart_from=settings.ports)
    http, metrics = drawn[: len(SERVICES)], drawn[len(SERVICES) :]
    superuser, redis = secrets.superuser_password, secrets.redis_password
    return Addresses(
        postgres_admin=settings.postgres_url
        or f"postgresql://postgres:{superuser}@{LOOPBACK}:{settings.postgres_port}/postgres",
        kafka=kafka_address(settings),
        kafka_security=settings.kafka_security,
        redis=settings.redis_url or f"redis://:{redis}@{LOOPBACK}:{settings.redis_port}/0",
        http=dict(zip(SERVICES, http, strict=True)) | {"gateway": settings.gateway_port},
        metrics=dict(zip(SERVICES, metrics, strict=True)),
    )


def kafka_address(settings: Settings) -> str:
    """The bootstrap broker, `host:port`."""
    return (settings.kafka_url or f"{LOOPBACK}:{settings.kafka_port}").removeprefix("kafka://")


def database_url(
    addresses: Addresses, secrets: Secrets, service: str, *, owner: bool = False
) -> str:
    """The URL of a service's own database, for the service or for the owner role of migrations."""
    role = f"{service}_owner" if owner else service
    return postgres.role_url(
        addresses.postgres_admin, role, secrets.password_of(role), name=service
    )


def environment(service: str, addresses: Addresses, secrets: Secrets) -> dict[str, str]:
    """The settings of one service."""
    return {
        "WHALE_MODE": "local",
        "WHALE_HTTP_HOST": LOOPBACK,
        "WHALE_HTTP_PORT": str(addresses.http[service]),
        "WHALE_METRICS_PORT": str(addresses.metrics[service]),
        "WHALE_DATABASE_URL": database_url(addresses, secrets, service),
        "WHALE_KAFKA_URL": addresses.kafka,
        **_security_environment(addresses.kafka_security),
        "WHALE_REDIS_URL": addresses.redis,
        "WHALE_INTERNAL_TOKEN": secrets.internal_token,
        "WHALE_KEY_SECRET": secrets.key_secret,
        **{
            f"WHALE_{name.upper()}_URL": f"http://{LOOPBACK}:{port}"
            for name, port in addresses.http.items()
            if name != "gateway"
        },
    }


def _security_environment(security: KafkaSecurity) -> dict[str, str]:
    values = {field: getattr(security, field) for field in KafkaSecurity.__struct_fields__}
    return {f"WHALE_{field.upper()}": value for field, value in values.items() if value is not None}


def define_process(service: str, addresses: Addresses, secrets: Secrets) -> ProcessSpec:
    """The service as a process."""
    return ProcessSpec(
        name=service,
        argv=[sys.executable, "-m", f"services.{service}"],
        address=f"{LOOPBACK}:{addresses.http[service]}",
        environment=environment(service, addresses, secrets),
    )


def migrate_command(service: str) -> list[str]:
    """The command that migrates the service's database; run it in `migrate_environment`."""
    return [sys.executable, "-m", "libs.persistence.migrate", f"services.{service}"]


def migrate_environment(service: str, addresses: Addresses, secrets: Secrets) -> dict[str, str]:
    """The database URL is no argument of the command: all users can read the process list."""
    return {"WHALE_DATABASE_URL": database_url(addresses, secrets, service, owner=True)}


def data_folder(settings: Settings, name: str) -> Path:
    """The folder of a server's data."""
    return settings.folder / "data" / name
