"""The services of a stack: their addresses, environment, processes and migrations."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Final, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from libs.kernel.kafka import KafkaSecurity
from tools.stack import postgres
from tools.stack.config import LOOPBACK, ROOT, SERVICES, Secrets, Settings, free_ports
from tools.stack.errors import StackError
from tools.stack.process import ProcessSpec

PYTHON_CLIENT: Final = ROOT / "libs" / "whale-python" / "src"


class Addresses(Struct, frozen=True, kw_only=True):
    """The addresses of the stack's parts, as its services get them: `urls` by service, `metrics` the
    ports of the processes of a local stack, `otlp_endpoint` the receiver of their spans, if any. In
    the mode `local` the demo key is valid."""

    postgres_admin: str
    kafka: str
    kafka_security: KafkaSecurity
    redis: str
    urls: Mapping[str, str]
    metrics: Mapping[str, int] = {}
    otlp_endpoint: str = ""
    mode: Literal["local", "production"] = "local"

    def port_of(self, service: str) -> int:
        """The port of a service's process."""
        port = urlsplit(self.urls[service]).port
        assert port is not None
        return port


def addresses(settings: Settings, secrets: Secrets) -> Addresses:
    """The servers at the addresses in the settings, the services on free ports; the gateway and the
    metrics on their configured ports."""
    drawn = free_ports(2 * len(SERVICES), apart_from=settings.ports)
    http, metrics = drawn[: len(SERVICES)], drawn[len(SERVICES) :]
    ports = dict(zip(SERVICES, http, strict=True)) | {"gateway": settings.gateway_port}
    superuser, redis = secrets.superuser_password, secrets.redis_password
    return Addresses(
        postgres_admin=settings.postgres_url
        or f"postgresql://postgres:{superuser}@{LOOPBACK}:{settings.postgres_port}/postgres",
        kafka=kafka_address(settings),
        kafka_security=settings.kafka_security,
        redis=settings.redis_url or f"redis://:{redis}@{LOOPBACK}:{settings.redis_port}/0",
        urls={service: f"http://{LOOPBACK}:{port}" for service, port in ports.items()},
        metrics=dict(zip(SERVICES, metrics, strict=True)) | settings.metrics_ports,
        otlp_endpoint=settings.otlp_endpoint,
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
    """The settings of one service's process in the local stack."""
    return {
        "WHALE_HTTP_HOST": LOOPBACK,
        "WHALE_HTTP_PORT": str(addresses.port_of(service)),
        "WHALE_METRICS_PORT": str(addresses.metrics[service]),
        "WHALE_OTLP_ENDPOINT": addresses.otlp_endpoint,
        # The dashboard uses the published client, which is no package of this repository's root.
        "PYTHONPATH": str(PYTHON_CLIENT),
        **connections(service, addresses, secrets),
    }


def connections(service: str, addresses: Addresses, secrets: Secrets) -> dict[str, str]:
    """The settings with which a service reaches its servers and the other services."""
    return {
        "WHALE_MODE": addresses.mode,
        "WHALE_DATABASE_URL": database_url(addresses, secrets, service),
        **kafka_settings(addresses),
        "WHALE_REDIS_URL": addresses.redis,
        "WHALE_INTERNAL_TOKEN": secrets.internal_token,
        "WHALE_KEY_SECRET": secrets.key_secret,
        "WHALE_SESSION_SECRET": secrets.session_secret,
        **{f"WHALE_{name.upper()}_URL": url for name, url in addresses.urls.items()},
    }


def kafka_settings(addresses: Addresses) -> dict[str, str]:
    """The settings with which any client reaches Kafka."""
    security = addresses.kafka_security
    values = {field: getattr(security, field) for field in KafkaSecurity.__struct_fields__}
    named = {
        f"WHALE_{field.upper()}": value for field, value in values.items() if value is not None
    }
    return {"WHALE_KAFKA_URL": addresses.kafka, **named}


def define_process(service: str, addresses: Addresses, secrets: Secrets) -> ProcessSpec:
    """The service as a process."""
    return ProcessSpec(
        name=service,
        argv=[sys.executable, "-m", f"services.{service}"],
        address=f"{LOOPBACK}:{addresses.port_of(service)}",
        environment=environment(service, addresses, secrets),
    )


async def migrate(
    names: Sequence[str], addresses: Addresses, secrets: Secrets
) -> AsyncIterator[str]:
    """Migrate the databases of services, one after the other, in a process of its own. Yields each
    service once that is done; raises StackError at the first failure."""
    urls = {name: database_url(addresses, secrets, name, owner=True) for name in names}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tools.stack.migrations"),
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(msgspec.json.encode(urls))
    process.stdin.close()
    waiting, last = list(names), ""
    async for line in process.stdout:
        last = line.decode(errors="replace").strip() or last
        if last in waiting:
            waiting.remove(last)
            yield last
    if await process.wait():
        raise StackError(f"The database of {waiting[0]} could not be migrated: {last}")


def data_folder(settings: Settings, name: str) -> Path:
    """The folder of a server's data."""
    return settings.folder / "data" / name
