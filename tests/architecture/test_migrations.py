"""Every migration is safe while the previous version of its service still runs."""

import contextlib
import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.architecture.migration_rules import EXCEPTIONS, breaches

ROOT = Path(__file__).parents[2]
MIGRATIONS = sorted(ROOT.glob("services/*/migrations/*.py"))


class RecordingOperations:
    """Records statements in place of Alembic's operations."""

    def __init__(self) -> None:
        self.statements: list[str] = []

    def execute(self, statement: str) -> None:
        self.statements.append(statement)

    def get_context(self) -> Any:
        return self

    def autocommit_block(self) -> Any:
        return contextlib.nullcontext()


def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"migration_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def statements_of(path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the migration executes. It uses no other operation of Alembic: any other one fails here."""
    recording = RecordingOperations()
    monkeypatch.setattr("alembic.op.execute", recording.execute)
    monkeypatch.setattr("alembic.op.get_context", recording.get_context)
    load(path).upgrade()
    return recording.statements


def name_of(path: Path) -> str:
    return f"{path.parts[-3]} {path.stem}"


def excuse(path: Path, statement: str) -> tuple[str, str, str] | None:
    service, revision = path.parts[-3], path.stem[:4]
    return next(
        (
            (owner, number, start)
            for owner, number, start in EXCEPTIONS
            if (owner, number) == (service, revision) and statement.startswith(start)
        ),
        None,
    )


@pytest.mark.parametrize("path", MIGRATIONS, ids=name_of)
def test_a_migration_is_safe_while_the_previous_version_runs(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    statements = statements_of(path, monkeypatch)
    assert statements
    faults = [
        f"{statement}\n  → {reason}"
        for statement, reason in breaches(statements)
        if excuse(path, statement) is None
    ]
    assert not faults, "\n".join(["", *faults])


@pytest.mark.parametrize("path", MIGRATIONS, ids=name_of)
def test_a_migration_cannot_be_reverted(path: Path) -> None:
    assert not hasattr(load(path), "downgrade")


def test_each_exception_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    used = {
        excuse(path, statement)
        for path in MIGRATIONS
        for statement, _ in breaches(statements_of(path, monkeypatch))
    }
    assert used - {None} == set(EXCEPTIONS)


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE a (\n  id bigint PRIMARY KEY -- , DROP\n)",
        "CREATE SEQUENCE a_id",
        "CREATE INDEX CONCURRENTLY a_b ON a (b) WHERE c",
        'ALTER TABLE a ADD COLUMN b text COLLATE "C"',
        "ALTER TABLE a ADD COLUMN b numeric(19, 6) NOT NULL DEFAULT 0, ADD COLUMN c bigint",
        "ALTER TABLE a ADD COLUMN b boolean NOT NULL DEFAULT false",
        "ALTER TABLE a ADD COLUMN b bigint[] NOT NULL DEFAULT '{}'",
        "ALTER TABLE a ADD COLUMN b timestamptz(3) DEFAULT now()",
        "ALTER TABLE a ADD CONSTRAINT b CHECK (c > 0) NOT VALID",
        "ALTER TABLE a VALIDATE CONSTRAINT b",
        "ALTER TABLE a ALTER COLUMN b SET DEFAULT 0",
        "ALTER TABLE a SET (fillfactor = 50)",
        "GRANT SELECT, INSERT ON a TO earning",
    ],
)
def test_a_safe_statement_is_accepted(statement: str) -> None:
    assert list(breaches([statement])) == []


@pytest.mark.parametrize(
    "statement",
    [
        "DROP TABLE a",
        "DROP INDEX a_b",
        "DROP SEQUENCE a_id",
        "ALTER TABLE a DROP COLUMN b",
        "ALTER TABLE a RENAME COLUMN b TO c",
        "ALTER TABLE a RENAME TO b",
        "ALTER TABLE a ALTER COLUMN b SET NOT NULL",
        "ALTER TABLE a ALTER COLUMN b DROP NOT NULL",
        "ALTER TABLE a ALTER COLUMN b DROP DEFAULT",
        "ALTER TABLE a ALTER COLUMN b TYPE bigint",
        "ALTER TABLE a ADD COLUMN b bigint NOT NULL",
        "ALTER TABLE a ADD COLUMN b uuid NOT NULL DEFAULT gen_random_uuid()",
        "ALTER TABLE a ADD COLUMN b bigint GENERATED ALWAYS AS IDENTITY",
        "ALTER TABLE a ADD COLUMN b bigserial",
        "ALTER TABLE a ADD COLUMN b bigint DEFAULT 0 CHECK (b >= 0)",
        "ALTER TABLE a ADD COLUMN b bigint REFERENCES c (id)",
        "ALTER TABLE a ADD COLUMN b bigint, DROP COLUMN c",
        "ALTER TABLE a ADD CONSTRAINT b CHECK (c > 0)",
        "ALTER TABLE a ADD PRIMARY KEY (b)",
        "CREATE INDEX a_b ON a (b)",
        "CREATE UNIQUE INDEX CONCURRENTLY a_b ON a (b)",
        "UPDATE a SET b = 0",
        "LOCK TABLE a",
        "TRUNCATE a",
        "VACUUM FULL a",
        "REVOKE SELECT ON a FROM earning",
        "CREATE TABLE a AS SELECT * FROM b",
        "SELECT do_something()",
    ],
)
def test_an_unsafe_statement_is_refused(statement: str) -> None:
    (fault,) = breaches([statement])
    assert fault[1]


def test_a_table_of_the_same_migration_may_be_changed_at_will() -> None:
    created = ["CREATE TABLE a (b bigint)", "CREATE INDEX a_b ON a (b)"]
    assert list(breaches([*created, "ALTER TABLE a ALTER COLUMN b SET NOT NULL"])) == []


def test_an_index_that_is_built_concurrently_is_alone_in_its_migration() -> None:
    index = "CREATE INDEX CONCURRENTLY a_b ON a (b)"
    assert list(breaches([index])) == []
    assert len(list(breaches(["ALTER TABLE a ADD COLUMN b bigint", index]))) == 1
