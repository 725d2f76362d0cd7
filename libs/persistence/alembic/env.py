"""Alembic's entry point: one upgrade at a time per database, one transaction per migration."""

import asyncio
import time

from alembic import context
from sqlalchemy import Connection, text
from sqlalchemy.pool import NullPool

from libs.persistence.engine import connect_engine

# An arbitrary number that no other advisory lock uses.
_UPGRADE_LOCK = 7_201
_POLL_SECONDS = 0.2
# While a statement waits for the lock of a table, every later statement on the table waits behind it.
# This limits how long: less than the lock timeout of the services, so that no request fails.
_LOCK_TIMEOUT_MS = 2_000


def _run(connection: Connection) -> None:
    _wait_for_other_upgrades(connection)
    connection.execute(text(f"SET lock_timeout = {_LOCK_TIMEOUT_MS}"))
    connection.commit()
    context.configure(
        connection=connection, version_table="schema_version", transaction_per_migration=True
    )
    with context.begin_transaction():
        context.run_migrations()


def _wait_for_other_upgrades(connection: Connection) -> None:
    """Polled: a session that waits for a lock holds a snapshot, and CREATE INDEX CONCURRENTLY of
    the other upgrade would wait for that snapshot."""
    lock = text("SELECT pg_try_advisory_lock(:key)")
    while not connection.scalar(lock, {"key": _UPGRADE_LOCK}):
        connection.commit()
        time.sleep(_POLL_SECONDS)
    connection.commit()


async def _upgrade() -> None:
    engine = connect_engine(context.config.attributes["url"], connect_args={}, poolclass=NullPool)
    async with engine.connect() as connection:
        await connection.run_sync(_run)
        await connection.commit()
    await engine.dispose()


asyncio.run(_upgrade())
