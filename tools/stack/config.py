"""The stack's configuration: settings from the environment, secrets from its own folder."""

import contextlib
import hashlib
import hmac
import os
import secrets
import socket
from collections.abc import Container, Iterable, Mapping
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct, field

from libs.contracts.operations import OWNERS
from libs.kernel.kafka import PLAINTEXT, KafkaSecurity
from libs.kernel.settings import load

ROOT: Final = Path(__file__).parents[2]
LOOPBACK: Final = "127.0.0.1"
DEMO_KEY: Final = "wk_test_demo_key_for_local_use_only"
DEMO_STORE: Final = "store_demo"
_SECRETS_FILE: Final = "secrets.json"
_FREE_FROM, _FREE_COUNT = 20_000, 12_000

# The services that have a database of their own.
WITH_DATABASE: Final = (*OWNERS, "gateway")
# All services in the order they start: the gateway after the owners of operations, then the dashboard,
# which is a client of the gateway.
SERVICES: Final = (*WITH_DATABASE, "dashboard")


class Settings(KafkaSecurity, frozen=True, kw_only=True):
    """The settings of a user, each in the variable `WHALE_<FIELD NAME>`."""

    home: str = ".local"
    gateway_port: int = 8080
    kafka_port: int = 19092
    postgres_port: int = 15432
    redis_port: int = 16379
    # The first of six ports for metrics, in the order of the services; 0 takes free ports.
    metrics_port: int = 19101
    # A server that runs already; the stack starts none of its own.
    kafka_url: str | None = None
    postgres_url: str | None = None
    redis_url: str | None = None
    # Options for Kafka's Java. Little compilation makes the start and an idle stack cheap; `-server`
    # compiles everything.
    kafka_java_options: str = "-XX:TieredStopAtLevel=1"
    # The services to run; `none` runs only the servers, with their databases and topics.
    services: tuple[str, ...] = SERVICES
    # A process that does not respond for this long is restarted.
    restart_after_seconds: float = 30.0
    otlp_endpoint: str = ""

    @property
    def running(self) -> tuple[str, ...]:
        """The services to run, in the order they start."""
        return tuple(name for name in SERVICES if name in self.services)

    @property
    def ports(self) -> frozenset[int]:
        """The ports that the settings assign."""
        servers = {self.gateway_port, self.kafka_port, self.postgres_port, self.redis_port}
        return frozenset(servers | set(self.metrics_ports.values()))

    @property
    def metrics_ports(self) -> dict[str, int]:
        """The port of each service's metrics; none where free ports are taken."""
        if not self.metrics_port:
            return {}
        return {service: self.metrics_port + number for number, service in enumerate(SERVICES)}

    @property
    def kafka_security(self) -> KafkaSecurity:
        """The security of Kafka connections: as set for an external broker; the stack's own broker
        is unprotected, since it listens on loopback only."""
        return PLAINTEXT if self.kafka_url is None else self

    @property
    def folder(self) -> Path:
        """The folder of the stack's state, data and logs."""
        path = Path(self.home)
        return path if path.is_absolute() else ROOT / path


def _new_secret() -> str:
    return secrets.token_urlsafe(32)


class Secrets(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Generated once per stack, and stored in its folder, readable by the owner only."""

    internal_token: str = field(default_factory=_new_secret)
    key_secret: str = field(default_factory=_new_secret)
    # The password of PostgreSQL's superuser, and the secret that other roles' passwords derive from.
    superuser_password: str = field(default_factory=_new_secret)
    role_secret: str = field(default_factory=_new_secret)
    redis_password: str = field(default_factory=_new_secret)
    # Encrypts the sessions of the dashboard.
    session_secret: str = field(default_factory=_new_secret)
    # Stacks before 0.2 had one password for every role; it stays until the superuser's is changed.
    database_password: str | None = None

    def password_of(self, role: str) -> str:
        """The password of a database role; no other role's password can be computed from it."""
        return hmac.new(self.role_secret.encode(), role.encode(), hashlib.sha256).hexdigest()


def settings(environ: Mapping[str, str] | None = None) -> Settings:
    """The settings in `environ`, by default the process's environment; raises SettingsError."""
    return load(Settings, os.environ if environ is None else environ)


def has_secrets(folder: Path) -> bool:
    """Whether the folder has secrets already."""
    return (folder / _SECRETS_FILE).exists()


def stack_secrets(folder: Path) -> Secrets:
    """The stack's secrets, generated on the first start; missing ones are added to older folders."""
    path = folder / _SECRETS_FILE
    content = path.read_bytes() if path.exists() else b"{}"
    stored = msgspec.json.decode(content, type=Secrets)
    if msgspec.json.encode(stored) != content:
        folder.mkdir(parents=True, exist_ok=True)
        write_private(path, msgspec.json.encode(stored))
    return stored


def forget_database_password(folder: Path) -> Secrets:
    """Remove the shared password of older stacks, once the superuser has another; returns the rest."""
    remaining = msgspec.structs.replace(stack_secrets(folder), database_password=None)
    write_private(folder / _SECRETS_FILE, msgspec.json.encode(remaining))
    return remaining


def write_private(path: Path, content: bytes) -> None:
    """Write a file atomically, readable by its owner only."""
    draft = path.with_suffix(".draft")
    draft.touch(mode=0o600)
    draft.write_bytes(content)
    draft.replace(path)


def free_port(*, apart_from: Container[int] = ()) -> int:
    """A random free port that is not in `apart_from`. It is below the ephemeral ports, since an
    outgoing connection could take one of them before a server listens on it."""
    while True:
        port = _FREE_FROM + secrets.randbelow(_FREE_COUNT)
        if port in apart_from:
            continue
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind((LOOPBACK, port))
            return port


def free_ports(count: int, *, apart_from: Iterable[int] = ()) -> list[int]:
    """`count` different ports, as by `free_port`."""
    excluded = set(apart_from)
    ports: list[int] = []
    for _ in range(count):
        ports.append(free_port(apart_from=excluded))
        excluded.add(ports[-1])
    return ports


def is_free(port: int) -> bool:
    """Whether no process listens on the port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True
