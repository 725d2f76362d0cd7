"""Alembic's entry point: one transaction per upgrade, one upgrade at a time per database."""

import asyncio

from alembic import context
from sqlalchemy import Connection, text
from sqlalchemy.pool import NullPool

from libs.persistence.engine import connect_engine

# An arbitrary number that no other advisory lock uses.
_UPGRADE_LOCK = 7_201


def _run(connection: Connection) -> None:
    context.configure(connection=connection, version_table="schema_version")
    with context.begin_transaction():
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _UPGRADE_LOCK})
        context.run_migrations()


async def _upgrade() -> None:
    engine = connect_engine(context.config.attributes["url"], connect_args={}, poolclass=NullPool)
    async with engine.connect() as connection:
        await connection.run_sync(_run)
        await connection.commit()
    await engine.dispose()


asyncio.run(_upgrade())
