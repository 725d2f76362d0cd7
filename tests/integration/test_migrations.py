"""Migrations on a database that is in use: nobody waits long for them."""

import asyncio
import os
import sys
from pathlib import Path

import asyncpg
import pytest

from libs.persistence.migrate import upgrade
from libs.testing.eventually import PATIENCE_SECONDS, eventually
from tests.integration.conftest import Database, create_empty_database
from tests.support import ROOT, Stack

FIRST = """
from libs.persistence import ddl
revision, down_revision = "0001", None
def upgrade():
    ddl.execute("CREATE TABLE notes (id bigint, text text);\\n")
"""
SECOND = """
from libs.persistence import ddl
revision, down_revision = "0002", "0001"
def upgrade():
    {statement}
"""


class Service:
    """A package with migrations of the test's own, and its database."""

    def __init__(self, folder: Path, name: str, database: Database, statement: str) -> None:
        self._folder = folder
        self.name = name
        self.database = database
        migrations = folder / name / "migrations"
        migrations.mkdir(parents=True)
        (folder / name / "__init__.py").touch()
        (migrations / "0001_first.py").write_text(FIRST)
        (migrations / "0002_second.py").write_text(SECOND.format(statement=statement))

    async def migrate_first(self) -> None:
        await asyncio.to_thread(upgrade, self.name, self.database.owner_url, revision="0001")

    async def migrate(self) -> None:
        """In a process of its own: Alembic's state is global."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "libs.persistence.migrate", self.name),
            cwd=ROOT,
            env={
                **os.environ,
                "PYTHONPATH": f"{self._folder}:{ROOT}",
                "WHALE_DATABASE_URL": self.database.owner_url,
            },
        )
        assert await process.wait() == 0

    async def connect(self) -> "asyncpg.Connection[asyncpg.Record]":
        return await asyncpg.connect(self.database.owner_url)


@pytest.fixture
async def service(
    stack: Stack,
    unique: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> Service:
    monkeypatch.syspath_prepend(tmp_path)
    database = await create_empty_database(stack, "catalog", unique)
    service = Service(tmp_path, f"migrated_{unique}", database, request.param)
    await service.migrate_first()
    return service


async def insert(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    # Longer than a migration waits for a lock; the transaction that holds the lock does not end.
    async with asyncio.timeout(PATIENCE_SECONDS):
        await connection.execute("INSERT INTO notes VALUES (1, 'written meanwhile')")


async def is_waiting(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    """Return once a session of the database waits for a lock."""

    async def look() -> bool:
        return bool(
            await connection.fetchval(
                "SELECT count(*) > 0 FROM pg_stat_activity "
                "WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
        )

    await eventually(look, every=0.02)


@pytest.mark.parametrize(
    "service", ['ddl.execute("ALTER TABLE notes ADD COLUMN author text;\\n")'], indirect=True
)
async def test_writers_do_not_wait_behind_a_migration_that_waits_for_a_lock(
    service: Service,
) -> None:
    reader, writer = await service.connect(), await service.connect()
    reading = reader.transaction()
    await reading.start()
    await reader.fetch("SELECT * FROM notes")
    migrating = asyncio.create_task(service.migrate())
    await is_waiting(writer)
    await insert(writer)
    await reading.rollback()
    await migrating
    assert await writer.fetchval("SELECT author FROM notes") is None
    await reader.close()
    await writer.close()


@pytest.mark.parametrize(
    "service", ['ddl.create_index("notes_text", "ON notes (text)")'], indirect=True
)
async def test_an_index_is_built_while_the_table_is_written(service: Service) -> None:
    """An incomplete index of an earlier attempt is replaced. Of two upgrades at the same time, the
    second waits without stopping the first."""
    first, second = await service.connect(), await service.connect()
    await leave_incomplete_index(first)
    writing = first.transaction()
    await writing.start()
    await insert(first)
    migrating = [asyncio.create_task(service.migrate()) for _ in range(2)]
    await is_waiting(second)
    await insert(second)
    await writing.rollback()
    await asyncio.gather(*migrating)
    assert await second.fetchval(
        "SELECT indisvalid FROM pg_index WHERE indexrelid = 'notes_text'::regclass"
    )
    await first.close()
    await second.close()


async def leave_incomplete_index(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    await connection.execute("INSERT INTO notes VALUES (7, 'a'), (7, 'b')")
    with pytest.raises(asyncpg.UniqueViolationError):
        await connection.execute("CREATE UNIQUE INDEX CONCURRENTLY notes_text ON notes (id)")
