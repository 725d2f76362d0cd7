"""Every client of Kafka takes the security settings: one that did not would work here, where the
broker asks nobody who they are, and fail in production."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
AIOKAFKA = {"AIOKafkaProducer", "AIOKafkaConsumer", "AIOKafkaAdminClient"}
# What takes `security` and hands it on to one of these.
OURS = {
    "KafkaBroker",
    "create_broker",
    "create_producer",
    "producing",
    "Relay",
    "Messaging",
    "ProgressReader",
    "open_consumer",
    "open_dead_letter_queue",
    "wait_until_consumed",
}


def calls(source: str) -> Iterator[ast.Call]:
    return (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call))


def unsecured(source: str) -> list[str]:
    """The clients that are made without security, each with its line."""
    return [f"{call.lineno}: {_name(call)}" for call in calls(source) if not _is_secured(call)]


def _is_secured(call: ast.Call) -> bool:
    if _name(call) in AIOKAFKA:
        return any(
            word.arg is None
            and isinstance(word.value, ast.Call)
            and _name(word.value) == "client_options"
            for word in call.keywords
        )
    return _name(call) not in OURS or any(word.arg == "security" for word in call.keywords)


def _name(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


@pytest.mark.parametrize("folder", ["libs", "services", "tools"])
def test_every_client_of_kafka_takes_the_security_settings(folder: str) -> None:
    by_file = {
        str(path.relative_to(ROOT)): bare
        for path in (ROOT / folder).rglob("*.py")
        if (bare := unsecured(path.read_text()))
    }
    assert not by_file, "pass **client_options(security), or security=…"


@pytest.mark.parametrize(
    "bare",
    [
        "AIOKafkaConsumer('topic', bootstrap_servers=there)",
        "AIOKafkaProducer(bootstrap_servers=there, **options)",
        "producing(there)",
        "kafka.open_consumer(there, 'topic')",
        "Messaging(bootstrap=there)",
    ],
)
def test_a_client_without_them_is_found(bare: str) -> None:
    assert unsecured(bare)
