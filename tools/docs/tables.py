"""The tables of metrics and settings, read from where they are declared."""

import importlib
import inspect
import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec
from msgspec import Struct
from prometheus_client.metrics import MetricWrapperBase

from libs.contracts.access import ACCESS
from libs.kernel.settings import PREFIX
from libs.observability import metrics as declared
from tools.stack.config import SERVICES
from tools.stack.config import Settings as StackSettings

# What every service's settings share.
_SHARED: Final = {
    "database_url": "The service's own database, as its own role; TLS by `?sslmode=verify-full&sslrootcert=…`.",
    "kafka_url": "The brokers, `host:port`, several with commas.",
    "kafka_sasl_username": "The principal, with a protocol that begins with SASL.",
    "kafka_sasl_password": "Its password.",
    "kafka_key_file": "The key of that certificate.",
    "redis_url": "Redis, with its password; TLS by `rediss://…?ssl_ca_certs=…`.",
    "internal_token": "What our services show each other, the same for all; at least 32 characters.",
    "key_secret": "What API keys are hashed with, at least 32 characters; changed, every key is void.",
    "http_host": "The address to listen on.",
    "http_port": "The port to listen on.",
    "metrics_port": "The port that metrics are served on; 0: none.",
    "mode": "`local` allows the demo key.",
    "log_level": "debug, info, warning or error.",
    **{f"{name}_url": f"Where {name} is." for name in SERVICES},
    **{f"{name}_port": f"The port of {name}." for name in ("gateway", "kafka", "postgres")},
    "redis_port": "The port of Redis.",
    "home": "Where the stack keeps its state.",
}

_FIELD: Final = re.compile(r"^    (?P<name>[a-z_]+): (?P<kind>[^=]+?)(?: = .*)?$")


def metrics() -> str:
    """Every metric: its name as it is scraped, its kind, labels and meaning."""
    rows = [
        _metric_row(metric)
        for metric in vars(declared).values()
        if isinstance(metric, MetricWrapperBase)
    ]
    return _page(
        "Metrics",
        "Each service serves them on a port of its own, `WHALE_METRICS_PORT`, in Prometheus' format.",
        _table(("metric", "kind", "labels", "meaning"), rows),
    )


def _metric_row(metric: MetricWrapperBase) -> tuple[str, ...]:
    (told,) = metric.describe()
    name = f"{told.name}_total" if told.type == "counter" else told.name
    labels = metric._labelnames  # noqa: SLF001  the client has no other way to ask
    return f"`{name}`", told.type, _code(labels), told.documentation


def settings() -> str:
    """Every setting of each service, and of the local stack."""
    about = (
        "Read once from the environment when a process starts; all faulty ones are named at once. "
        "A list is written with commas."
    )
    parts = [about]
    for service in SERVICES:
        kind = importlib.import_module(f"services.{service}.settings").Settings
        parts += [f"## {service}", _settings_table(kind)]
    parts += ["## The local stack (`make up`)", _settings_table(StackSettings)]
    return _page("Settings", *parts)


def kafka_access() -> str:
    """Which principal may do what on which topic."""
    about = (
        "What each principal needs on Kafka, and all that it needs: `Read` on the topics and groups, "
        "`Write` on the topics; both imply `Describe`. See [security](../security.md)."
    )
    rows = [
        (
            f"`{one.principal}`",
            _code(one.reads) or "–",
            _code(one.writes) or "–",
            _code(f"{group}*" for group in one.groups) or "–",
        )
        for one in ACCESS
    ]
    table = _table(("principal", "reads", "writes", "consumer groups (prefix)"), rows)
    return _page("Access to Kafka", about, table)


def _settings_table(kind: type[Struct]) -> str:
    comments = {
        name: told
        for base in kind.__mro__
        if base is not Struct and issubclass(base, Struct)
        for name, told in _comments(base)
    }
    rows = [
        (
            f"`{PREFIX}{field.name.upper()}`",
            comments[field.name][0].replace("|", "or"),
            _default(field),
            comments[field.name][1] or _SHARED.get(field.name, ""),
        )
        for field in msgspec.structs.fields(kind)
    ]
    return _table(("variable", "type", "as shipped", ""), rows)


def _default(field: msgspec.structs.FieldInfo) -> str:
    if field.required:
        return "must be set"
    if field.default is None:
        return "–"
    if isinstance(field.default, frozenset | tuple):
        return _code(
            sorted(field.default) if isinstance(field.default, frozenset) else field.default
        )
    return f"`{field.default}`"


def _comments(kind: type[Struct]) -> Iterator[tuple[str, tuple[str, str]]]:
    """By field, its type as it is written and the comment above it."""
    comment: list[str] = []
    for line in inspect.getsource(kind).splitlines():
        if line.startswith("    # "):
            comment.append(line.removeprefix("    # "))
        elif match := _FIELD.match(line):
            yield match["name"], (match["kind"], " ".join(comment))
            comment = []
        elif line.startswith("    @property"):
            return


def _code(words: Iterable[Any]) -> str:
    return ", ".join(f"`{word}`" for word in words)


def _table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [heads, tuple("---" for _ in heads), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _page(title: str, *parts: str) -> str:
    note = "Generated by `make docs`; do not edit."
    return "\n\n".join((f"# {title}", note, *parts)) + "\n"
