"""The services of the local stack: their databases, their environment, their programs."""

import sys
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from libs.kernel.kafka import KafkaSecurity
from tools.stack import postgres
from tools.stack.config import LOOPBACK, SERVICES, Secrets, Settings, free_ports
from tools.stack.process import Program


class Addresses(Struct, frozen=True, kw_only=True):
    """Where the stack's parts are, as its services are told; `http` and `metrics` are ports."""

    postgres_admin: str
    kafka: str
    kafka_security: KafkaSecurity
    redis: str
    http: Mapping[str, int]
    metrics: Mapping[str, int]


def addresses(settings: Settings, secrets: Secrets) -> Addresses:
    """Servers as the settings name them, services on free ports, the gateway on its own."""
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
    """The broker to begin with, `host:port`."""
    return (settings.kafka_url or f"{LOOPBACK}:{settings.kafka_port}").removeprefix("kafka://")


def database_url(where: Addresses, secrets: Secrets, service: str, *, owner: bool = False) -> str:
    """A service's own database, for the service or for the owner who migrates it."""
    role = f"{service}_owner" if owner else service
    return postgres.role_url(where.postgres_admin, role, secrets.password_of(role), name=service)


def environment(service: str, where: Addresses, secrets: Secrets) -> dict[str, str]:
    """The settings of one service."""
    return {
        "WHALE_MODE": "local",
        "WHALE_HTTP_HOST": LOOPBACK,
        "WHALE_HTTP_PORT": str(where.http[service]),
        "WHALE_METRICS_PORT": str(where.metrics[service]),
        "WHALE_DATABASE_URL": database_url(where, secrets, service),
        "WHALE_KAFKA_URL": where.kafka,
        **_security_environment(where.kafka_security),
        "WHALE_REDIS_URL": where.redis,
        "WHALE_INTERNAL_TOKEN": secrets.internal_token,
        "WHALE_KEY_SECRET": secrets.key_secret,
        **{
            f"WHALE_{name.upper()}_URL": f"http://{LOOPBACK}:{port}"
            for name, port in where.http.items()
            if name != "gateway"
        },
    }


def _security_environment(security: KafkaSecurity) -> dict[str, str]:
    values = {field: getattr(security, field) for field in KafkaSecurity.__struct_fields__}
    return {f"WHALE_{field.upper()}": one for field, one in values.items() if one is not None}


def program(service: str, where: Addresses, secrets: Secrets) -> Program:
    """The service as a process."""
    return Program(
        name=service,
        argv=[sys.executable, "-m", f"services.{service}"],
        address=f"{LOOPBACK}:{where.http[service]}",
        environment=environment(service, where, secrets),
    )


def migrate_command(service: str) -> list[str]:
    """Brings the service's database up to date, in `migrate_environment`."""
    return [sys.executable, "-m", "libs.persistence.migrate", f"services.{service}"]


def migrate_environment(service: str, where: Addresses, secrets: Secrets) -> dict[str, str]:
    """The address with its password is no argument: everybody may read the process list."""
    return {"WHALE_DATABASE_URL": database_url(where, secrets, service, owner=True)}


def data_folder(settings: Settings, name: str) -> Path:
    """Where a server keeps what it knows."""
    return settings.folder / "data" / name
