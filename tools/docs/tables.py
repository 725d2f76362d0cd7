"""The tables of metrics, settings and Kafka access, generated from their declarations."""

import importlib
import inspect
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct
from prometheus_client.metrics import MetricWrapperBase

from libs.contracts.access import ACCESS
from libs.kernel.settings import ENV_FILE, FILE_SUFFIX, PREFIX
from libs.observability import metrics as declared
from tools.stack.config import SERVICES
from tools.stack.config import Settings as StackSettings
from tools.stack.servers import Settings as ProvisionSettings

# The meaning of settings that have no comment of their own, in most cases since all services have them.
_MEANINGS: Final = {
    "database_url": "The service's own database, as its own role; TLS by `?sslmode=verify-full&sslrootcert=…`.",
    "kafka_url": "The brokers, `host:port`, separated by commas.",
    "kafka_sasl_username": "The principal, for the SASL protocols.",
    "kafka_sasl_password": "The principal's password.",
    "kafka_key_file": "The key of the certificate.",
    "redis_url": "Redis, with its password; TLS by `rediss://…?ssl_ca_certs=…`.",
    "internal_token": "The token for requests between services, the same for all; at least 32 characters.",
    "key_secret": "The secret for hashing API keys, at least 32 characters. Changing it invalidates every key.",
    "http_host": "The address to listen on.",
    "http_port": "The port to listen on.",
    "metrics_port": "The port for metrics; 0 disables them.",
    "mode": "`local` allows the demo key.",
    "log_level": "debug, info, warning or error.",
    "otlp_endpoint": "Where spans are sent by OTLP/HTTP, as `http://otel-collector:4318`; without it, nowhere.",
    **{f"{name}_url": f"The address of {name}." for name in SERVICES},
    **{f"{name}_port": f"The port of {name}." for name in ("gateway", "kafka", "postgres")},
    "redis_port": "The port of Redis.",
    "home": "The folder of the stack's state, data and logs.",
}

_FIELD: Final = re.compile(r"^    (?P<name>[a-z_]+): (?P<kind>[^=]+?)(?: = .*)?$")


def metrics() -> str:
    """Every metric: its name as scraped, its kind, labels and meaning."""
    rows = [
        _metric_row(metric)
        for metric in vars(declared).values()
        if isinstance(metric, MetricWrapperBase)
    ]
    return _page(
        "Metrics",
        "Each service serves its metrics on a separate port, `WHALE_METRICS_PORT`, in Prometheus' format.",
        _table(("metric", "kind", "labels", "meaning"), rows),
    )


def _metric_row(metric: MetricWrapperBase) -> tuple[str, ...]:
    (family,) = metric.describe()
    name = f"{family.name}_total" if family.type == "counter" else family.name
    labels = metric._labelnames  # noqa: SLF001  the client has no public accessor
    return f"`{name}`", family.type, _code(labels), family.documentation


def settings() -> str:
    """Every setting of each service, of the local stack, and of `provision`."""
    about = (
        "A process reads its settings once, from the environment, when it starts; an error names every "
        "invalid setting. The values of a list are separated by commas."
    )
    files = (
        f"`WHALE_DATABASE_URL{FILE_SUFFIX}` names a file with the value of `WHALE_DATABASE_URL`, and so on "
        f"for every setting: for secrets that are mounted as files. `{ENV_FILE}` names a file with lines "
        "`NAME=value`, such as `provision` writes; variables of the process have precedence over it."
    )
    parts = [about, files]
    for service in SERVICES:
        kind = importlib.import_module(f"services.{service}.settings").Settings
        parts += [f"## {service}", _settings_table(kind)]
    parts += ["## The local stack (`make up`)", _settings_table(StackSettings)]
    parts += ["## `python -m tools provision`", _settings_table(ProvisionSettings)]
    return _page("Settings", *parts)


def kafka_access() -> str:
    """The access of each principal to topics and consumer groups."""
    about = (
        "The rights that each principal needs on Kafka, and no others: `Read` on the topics and groups, "
        "`Write` on the topics; both imply `Describe`. See [security](../security.md)."
    )
    rows = [
        (
            f"`{access.principal}`",
            _code(access.reads) or "–",
            _code(access.writes) or "–",
            _code(f"{group}*" for group in access.groups) or "–",
        )
        for access in ACCESS
    ]
    table = _table(("principal", "reads", "writes", "consumer groups (prefix)"), rows)
    return _page("Access to Kafka", about, table, _ACL_TOOL, _acl_commands())


def _acl_commands() -> str:
    """The table as commands of Kafka's own tool."""
    commands = [
        f"allow User:{access.principal} --operation {operation} {' '.join(options)}"
        for access in ACCESS
        for operation, options in (
            ("Read", [f"--topic {name}" for name in access.reads]),
            ("Write", [f"--topic {name}" for name in access.writes]),
            ("Read", _group_options(access.groups)),
        )
        if options
    ]
    return "\n".join(("```sh", _ALLOW, *commands, "```"))


def _group_options(prefixes: Sequence[str]) -> Sequence[str]:
    groups = [f"--group {prefix}" for prefix in prefixes]
    return [*groups, "--resource-pattern-type prefixed"] if groups else []


_ACL_TOOL: Final = """\
## With kafka-acls.sh

`python -m tools provision` sets these access lists itself. Where it may not, set them with Kafka's own client; in
`admin.properties` are the settings with which an administrator connects."""
_ALLOW: Final = """\
allow() { kafka-acls.sh --bootstrap-server kafka-1.internal:9093 --command-config admin.properties \\
    --add --allow-principal "$@"; }"""


def _settings_table(kind: type[Struct]) -> str:
    comments = {
        name: declaration
        for base in kind.__mro__
        if base is not Struct and issubclass(base, Struct)
        for name, declaration in _comments(base)
    }
    rows = [
        (
            f"`{PREFIX}{field.name.upper()}`",
            comments[field.name][0].replace("|", "or"),
            _default(field),
            comments[field.name][1] or _MEANINGS.get(field.name, ""),
        )
        for field in msgspec.structs.fields(kind)
    ]
    return _table(("variable", "type", "default", "meaning"), rows)


def _default(field: msgspec.structs.FieldInfo) -> str:
    if field.required:
        return "required"
    if field.default is None:
        return "–"
    if isinstance(field.default, frozenset | tuple):
        return _code(
            sorted(field.default) if isinstance(field.default, frozenset) else field.default
        )
    return f"`{field.default}`"


def _comments(kind: type[Struct]) -> Iterator[tuple[str, tuple[str, str]]]:
    """Each field's name, its type as written and the comment above it."""
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
