"""The import rules hold, and each of them catches the import it is there to forbid."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# For each rule of .importlinter: a module, the line that breaks the rule, and the rule's name.
VIOLATIONS = [
    pytest.param(
        "services/earning/handlers/customers.py",
        "import services.gateway.settings",
        "Services never import each other",
        id="a service imports another",
    ),
    pytest.param(
        "libs/kernel/ids.py",
        "import services.earning.settings",
        "Tools and services stand on the libraries",
        id="a library imports a service",
    ),
    pytest.param(
        "libs/persistence/columns.py",
        "import libs.web.problems",
        "The libraries build on each other in one direction",
        id="a library imports one above it",
    ),
    pytest.param(
        "libs/web/problems.py",
        "import libs.messaging.outbox",
        "The libraries build on each other in one direction",
        id="a library imports its neighbour",
    ),
    pytest.param(
        "services/earning/domain/batch.py",
        "import services.earning.store.accounts",
        "Inside a service, a module imports only what lies below it",
        id="a domain imports its store",
    ),
    pytest.param(
        "services/earning/unplaced.py",
        '"""A module that no layer names."""',
        "Inside a service, a module imports only what lies below it",
        id="a module without a place",
    ),
    pytest.param(
        "services/earning/domain/batch.py",
        "import asyncio",
        "Domains, contracts and the kernel know no I/O and no framework",
        id="a domain waits",
    ),
    pytest.param(
        "libs/contracts/events.py",
        "import faststream",
        "Domains, contracts and the kernel know no I/O and no framework",
        id="a schema knows the framework",
    ),
    pytest.param(
        "services/catalog/handlers/rewards.py",
        "import libs.web.problems",
        "Use cases and stores know no HTTP",
        id="a use case knows HTTP",
    ),
    pytest.param(
        "services/catalog/store.py",
        "from libs.web import pages",
        "Use cases and stores know no HTTP",
        id="a store knows HTTP",
    ),
    pytest.param(
        "services/redemption/handlers/redemptions.py",
        "import litestar",
        "Use cases and stores know no HTTP",
        id="a use case knows the framework",
    ),
    pytest.param(
        "services/earning/handlers/posting.py",
        "import aiokafka",
        "Only messaging, the consumers and the composition roots know Kafka",
        id="a use case knows Kafka",
    ),
    pytest.param(
        "libs/messaging/security.py",
        "import faststream.security",
        "The commands of the local stack start without FastStream and SQLAlchemy",
        id="a command imports FastStream through a library",
    ),
    pytest.param(
        "libs/persistence/idempotency.py",
        "import libs.persistence.errors",
        "The server starts without a database driver, and so does the dashboard",
        id="the server imports a driver through a library",
    ),
    pytest.param(
        "services/dashboard/app.py",
        "import libs.persistence.engine",
        "The server starts without a database driver, and so does the dashboard",
        id="the dashboard imports a driver",
    ),
]


def lint(tree: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-cache"],
        cwd=tree,
        env={"PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the code, to break."""
    for name in ("libs", "services", "tools"):
        shutil.copytree(
            ROOT / name,
            tmp_path / name,
            ignore=shutil.ignore_patterns("__pycache__", "node_modules", "*.js"),
        )
    shutil.copy(ROOT / ".importlinter", tmp_path)
    return tmp_path


def test_the_code_keeps_the_import_rules() -> None:
    outcome = lint(ROOT)
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr


@pytest.mark.parametrize(("module", "line", "rule"), VIOLATIONS)
def test_a_rule_catches_its_violation(tree: Path, module: str, line: str, rule: str) -> None:
    with (tree / module).open("a") as file:
        file.write(f"\n{line}\n")
    outcome = lint(tree)
    assert outcome.returncode == 1, outcome.stdout
    assert f"{rule} BROKEN" in outcome.stdout
