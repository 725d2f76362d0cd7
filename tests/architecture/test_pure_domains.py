"""Domains draw no time and no randomness: ids and the current time are passed in.

A rule that drew its own could not be replayed, and its tests would need to replace the clock.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULES = sorted(
    path.relative_to(ROOT)
    for pattern in ("services/*/domain.py", "services/*/domain/*.py")
    for path in ROOT.glob(pattern)
)

# Modules whose purpose is time or randomness, and the functions of other modules that draw them.
_IMPORTS = {"random", "secrets", "time", "uuid_utils"}
_FUNCTIONS = {
    *("now", "utcnow", "today", "utc_now"),
    *("new_id", "uuid1", "uuid4", "uuid7", "uuid7_text"),
}


def impurities(code: str) -> Iterator[str]:
    """What `code` imports or calls to draw time or randomness."""
    for node in ast.walk(ast.parse(code)):
        match node:
            case ast.Import(names=names):
                yield from (name.name for name in names if name.name.split(".")[0] in _IMPORTS)
            case ast.ImportFrom(module=module, names=names):
                if (module or "").split(".")[0] in _IMPORTS:
                    yield str(module)
                yield from (name.name for name in names if name.name in _FUNCTIONS)
            case ast.Call(func=ast.Attribute(attr=name)) if name in _FUNCTIONS:
                yield name


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_a_domain_draws_no_time_and_no_randomness(module: Path) -> None:
    assert list(impurities((ROOT / module).read_text())) == []


@pytest.mark.parametrize(
    "code",
    [
        "import time",
        "from random import choice",
        "from secrets import token_hex",
        "from libs.kernel.ids import uuid7",
        "from libs.kernel.clock import utc_now",
        "datetime.now(UTC)",
        "date.today()",
        "self.clock.now()",
        "ids.new_id('txn')",
    ],
)
def test_an_impurity_is_found(code: str) -> None:
    assert list(impurities(code))


def test_time_that_is_passed_in_is_pure() -> None:
    assert list(impurities("def award(now: datetime) -> Award:\n    return Award(now=now)")) == []
