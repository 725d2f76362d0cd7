"""The tables that composed queries are built of are those that the migrations create."""

import importlib
import re
from pathlib import Path

import pytest
from sqlalchemy import Column, MetaData, Table
from sqlalchemy.dialects import postgresql

from libs.persistence.engine import connect_engine
from tests.integration.conftest import Database, empty_database
from tests.support import Stack
from tools.stack.config import SERVICES

ROOT = Path(__file__).parents[2]
WITH_TABLES = [name for name in SERVICES if (ROOT / "services" / name / "tables.py").exists()]


def declared(service: str) -> MetaData:
    metadata: MetaData = importlib.import_module(f"services.{service}.tables").metadata
    return metadata


async def created(database: Database) -> MetaData:
    """The tables of the database as PostgreSQL describes them."""
    metadata = MetaData()
    engine = connect_engine(database.owner_url, connect_args={})
    async with engine.connect() as connection:
        await connection.run_sync(metadata.reflect)
    await engine.dispose()
    return metadata


def describe(column: Column[object] | None) -> tuple[str, bool, bool] | None:
    """The column's type with its collation, whether it may be null, and whether it is in the key."""
    if column is None:
        return None
    type_ = column.type.compile(dialect=postgresql.dialect())
    return type_, bool(column.nullable), column.primary_key


@pytest.mark.parametrize("service", WITH_TABLES)
async def test_tables_are_as_the_migrations_create_them(
    stack: Stack, unique: str, service: str
) -> None:
    tables = (await created(await empty_database(stack, service, unique))).tables
    for name, table in declared(service).tables.items():
        assert name in tables
        columns = {column.name: describe(column) for column in table.columns}
        described = {column: describe(tables[name].columns.get(column)) for column in columns}
        assert columns == described, name
        assert key(table) == key(tables[name]), name


def key(table: Table) -> set[str]:
    return {column.name for column in table.primary_key}


@pytest.mark.parametrize("service", WITH_TABLES)
def test_every_table_is_used_by_a_query(service: str) -> None:
    """Tables that only written SQL uses would be a second description that nothing needs."""
    folder = ROOT / "services" / service
    modules = [path for path in folder.rglob("*.py") if path.name != "tables.py"]
    imports = " ".join(
        names
        for module in modules
        for names in re.findall(r"from services\.\w+\.tables import (.+)", module.read_text())
    )
    tables = importlib.import_module(f"services.{service}.tables")
    names = {name for name, value in vars(tables).items() if isinstance(value, Table)}
    assert names == set(re.findall(r"\w+", imports))
