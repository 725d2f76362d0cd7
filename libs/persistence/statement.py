"""Running a SQLAlchemy statement on the driver's connection.

Lists with optional filters are built with SQLAlchemy Core; everything else is plain SQL. Both run on
the same connection, so that they can share a snapshot.
"""

from functools import cache

import asyncpg
from sqlalchemy import ClauseElement, Dialect
from sqlalchemy.dialects.postgresql.asyncpg import dialect as asyncpg_dialect
from sqlalchemy.sql.compiler import SQLCompiler

from libs.persistence.engine import Connection


@cache
def _dialect() -> Dialect:
    dialect: Dialect = asyncpg_dialect()  # type: ignore[no-untyped-call]
    return dialect


async def fetch(connection: Connection, statement: ClauseElement) -> list[asyncpg.Record]:
    """The rows of `statement`."""
    compiled = statement.compile(dialect=_dialect(), compile_kwargs={"render_postcompile": True})
    assert isinstance(compiled, SQLCompiler)
    values = [compiled.params[name] for name in compiled.positiontup or ()]
    rows: list[asyncpg.Record] = await connection.fetch(str(compiled), *values)
    return rows
