"""Where the stack lives and what it listens on: from the environment, and from its own folder."""

import contextlib
import hashlib
import hmac
import json
import os
import secrets
import socket
from collections.abc import Container, Iterable, Mapping
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct, field

from libs.kernel.kafka import PLAINTEXT, KafkaSecurity
from libs.kernel.settings import load
from tools.stack.errors import StackError

ROOT: Final = Path(__file__).parents[2]
LOOPBACK: Final = "127.0.0.1"
DEMO_KEY: Final = "wk_test_demo_key_for_local_use_only"
DEMO_STORE: Final = "store_demo"
_FREE_FROM, _FREE_COUNT = 20_000, 12_000

# The services in the order they start, each with a database of its own.
SERVICES: Final = ("earning", "catalog", "redemption", "anomaly", "gateway")


class Settings(KafkaSecurity, frozen=True, kw_only=True):
    """What a user may set: `WHALE_` and the field's name in capitals."""

    home: str = ".local"
    gateway_port: int = 8080
    kafka_port: int = 19092
    postgres_port: int = 15432
    redis_port: int = 16379
    # A server that runs already; then none is started.
    kafka_url: str | None = None
    postgres_url: str | None = None
    redis_url: str | None = None
    # Options for Kafka's Java. Compiling little keeps its start and an idle stack cheap; give `-server`
    # to have it compile everything it can.
    kafka_java_options: str = "-XX:TieredStopAtLevel=1"
    # Which services to run; `none` leaves the servers alone with their databases and topics.
    services: tuple[str, ...] = SERVICES
    # A process that does not respond for so long is restarted.
    restart_after_seconds: float = 30.0

    @property
    def running(self) -> tuple[str, ...]:
        """The services to run, in the order they start."""
        return tuple(name for name in SERVICES if name in self.services)

    @property
    def ports(self) -> frozenset[int]:
        """The ports that the stack was given."""
        return frozenset({self.gateway_port, self.kafka_port, self.postgres_port, self.redis_port})

    @property
    def kafka_security(self) -> KafkaSecurity:
        """How to reach Kafka: as set for one that runs already; our own listens on loopback only."""
        return PLAINTEXT if self.kafka_url is None else self

    @property
    def folder(self) -> Path:
        path = Path(self.home)
        return path if path.is_absolute() else ROOT / path


def _new_secret() -> str:
    return secrets.token_urlsafe(32)


class Secrets(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Made once per stack, and kept in its folder for the owner alone."""

    internal_token: str = field(default_factory=_new_secret)
    key_secret: str = field(default_factory=_new_secret)
    # The password of PostgreSQL's superuser, and what every other role's is derived from.
    superuser_password: str = field(default_factory=_new_secret)
    role_secret: str = field(default_factory=_new_secret)
    redis_password: str = field(default_factory=_new_secret)
    # Until 0.1 one password for every role and the superuser: there until the superuser has another.
    database_password: str | None = None

    def password_of(self, role: str) -> str:
        """The password of a database role; from one, nobody can compute another."""
        return hmac.new(self.role_secret.encode(), role.encode(), hashlib.sha256).hexdigest()


def settings(environ: Mapping[str, str] | None = None) -> Settings:
    """The settings of this call; raises SettingsError."""
    return load(Settings, os.environ if environ is None else environ)


def stack_secrets(folder: Path) -> Secrets:
    """The stack's secrets, made on the first start; a folder from before gets what it lacks."""
    path = folder / "secrets.json"
    written = path.read_bytes() if path.exists() else b"{}"
    found = msgspec.json.decode(written, type=Secrets)
    if msgspec.json.encode(found) != written:
        write_private(path, msgspec.json.encode(found))
    return found


def forget_database_password(folder: Path) -> Secrets:
    """The secrets without the password from before, which the superuser has no more."""
    kept = msgspec.structs.replace(stack_secrets(folder), database_password=None)
    write_private(folder / "secrets.json", msgspec.json.encode(kept))
    return kept


def write_private(path: Path, content: bytes) -> None:
    """Write the whole file or nothing, readable by its owner alone."""
    draft = path.with_suffix(".draft")
    draft.touch(mode=0o600)
    draft.write_bytes(content)
    draft.replace(path)


def free_port(*, apart_from: Container[int] = ()) -> int:
    """A port nobody listens on now, and below those that the system gives to outgoing connections:
    one of these could be taken before it is listened on. Nor one of `apart_from`, which others are
    to listen on."""
    while True:
        port = _FREE_FROM + secrets.randbelow(_FREE_COUNT)
        if port in apart_from:
            continue
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind((LOOPBACK, port))
            return port


def free_ports(count: int, *, apart_from: Iterable[int] = ()) -> list[int]:
    """So many ports, each another one."""
    taken = set(apart_from)
    drawn: list[int] = []
    for _ in range(count):
        drawn.append(free_port(apart_from=taken))
        taken.add(drawn[-1])
    return drawn


def check_free(port: int, *, name: str, variable: str) -> None:
    """Raise StackError where something listens on `port` already."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError as error:
            raise StackError(
                f"Port {port}, which {name} needs, is taken: stop what listens there, or choose "
                f"another with {variable}=… make up"
            ) from error


def dump(path: Path, value: object) -> None:
    """Write JSON so that a reader never sees half of it."""
    draft = path.with_suffix(".draft")
    draft.write_text(json.dumps(value, indent=1))
    draft.replace(path)
