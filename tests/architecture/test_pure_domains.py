"""Domain code reads no clock, draws no random numbers and reads no environment: the values come in.

Only then does the same input always have the same result, in a replay as in a test. The import rules
cannot say this, because the modules in question have pure parts too.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOMAINS = sorted(
    path
    for service in (ROOT / "services").iterdir()
    for path in (service / "domain.py", *(service / "domain").rglob("*.py"))
    if path.exists()
)

# Modules without a part that domain code may use.
IMPURE_MODULES = frozenset({"os", "random", "secrets", "socket", "time", "uuid_utils"})
# The impure functions of modules that domain code may use otherwise.
IMPURE_NAMES = {
    "libs.kernel.clock": {"utc_now"},
    "libs.kernel.ids": {"new_id", "uuid7", "uuid7_text"},
    "uuid": {"getnode", "uuid1", "uuid3", "uuid4", "uuid5", "uuid6", "uuid7", "uuid8"},
}
# Calls on types that are pure otherwise.
IMPURE_METHODS = {"datetime": {"now", "today", "utcnow"}, "date": {"today"}}
_BY_ATTRIBUTE = {
    **{module.rpartition(".")[2]: names for module, names in IMPURE_NAMES.items()},
    **IMPURE_METHODS,
}


def impurities(source: str) -> Iterator[str]:
    """What in `source` reads a clock, draws random numbers or reads the environment."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (f"import {alias.name}" for alias in node.names if _is_impure(alias.name))
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            impure = IMPURE_NAMES.get(node.module, frozenset[str]())
            for alias in node.names:
                if _is_impure(node.module) or alias.name in impure:
                    yield f"from {node.module} import {alias.name}"
        elif isinstance(node, ast.Attribute):
            owner = ast.unparse(node.value).rpartition(".")[2]
            if node.attr in _BY_ATTRIBUTE.get(owner, frozenset()):
                yield ast.unparse(node)


def _is_impure(module: str) -> bool:
    return module.partition(".")[0] in IMPURE_MODULES


def test_every_service_with_rules_is_examined() -> None:
    services = {path.relative_to(ROOT / "services").parts[0] for path in DOMAINS}
    assert {"anomaly", "catalog", "earning", "gateway", "redemption"} <= services


@pytest.mark.parametrize("path", DOMAINS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_domain_is_pure(path: Path) -> None:
    calls = list(impurities(path.read_text()))
    assert not calls, f"pass the value in instead of calling {', '.join(calls)}"


@pytest.mark.parametrize(
    "line",
    [
        "import secrets",
        "import os.path",
        "from random import choice",
        "from time import monotonic",
        "from libs.kernel.clock import format_time, utc_now",
        "from libs.kernel.ids import uuid7",
        "from libs.kernel.ids import new_id as fresh",
        "from uuid import uuid4",
        "moment = datetime.now(UTC)",
        "moment = datetime.datetime.now(UTC)",
        "day = date.today()",
        "moment = clock.utc_now()",
        "event_id = ids.new_id('txn')",
        "event_id = uuid.uuid4()",
        "def rule():\n    import secrets",
    ],
)
def test_an_impure_line_is_found(line: str) -> None:
    assert len(list(impurities(line))) == 1


@pytest.mark.parametrize(
    "line",
    [
        "from uuid import UUID",
        "from libs.kernel.clock import format_time, parse_time",
        "from libs.kernel.ids import STORE_ID, parse_id",
        "from datetime import UTC, datetime, timedelta",
        "moment = datetime.fromisoformat(text)",
        "def rule(now: datetime) -> bool:\n    return self.now < now",
    ],
)
def test_a_pure_line_is_not(line: str) -> None:
    assert not list(impurities(line))
