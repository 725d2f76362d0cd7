"""Database engines on asyncpg with explicit time limits, and transactions on the driver's connection."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Literal

import asyncpg
from sqlalchemy import event
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

# Longer than any statement should take. The lock timeout is shorter than our callers' own timeouts.
_SESSION_SETTINGS: Final = {
    "statement_timeout": "30000",
    "lock_timeout": "10000",
    "idle_in_transaction_session_timeout": "30000",
    "jit": "off",
}
# Batches join a few thousand keys against large tables by index. Cached generic plans misestimate the
# arrays, and a plan that scans a whole table would get slower with every day of business.
_BATCH_SETTINGS: Final = {
    "plan_cache_mode": "force_custom_plan",
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
}
_CONNECT_TIMEOUT_SECONDS: Final = 5.0

# After any of these errors a connection cannot be used again.
_CONNECTION_ERRORS: Final = (
    OSError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)

IsolationLevel = Literal["read_committed", "repeatable_read", "serializable"]

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]
else:
    # The driver's class is generic only in its type stubs.
    Connection = asyncpg.Connection


def connect_engine(url: str, *, connect_args: dict[str, Any], **options: Any) -> AsyncEngine:
    """An engine that passes `url` to the driver as it is, so that all of the driver's options work:
    `sslmode`, `sslrootcert`, several hosts. SQLAlchemy would parse the URL differently.
    """
    return create_async_engine(
        # `postgresql` alone selects another driver.
        "postgresql+asyncpg://",
        async_creator=partial(asyncpg.connect, url, **connect_args),
        **options,
    )


def create_engine(url: str, *, name: str, connections: int = 5) -> AsyncEngine:
    """An engine for reads and single statements; pg_stat_activity shows `name`."""
    return _engine(url, name, connections, _SESSION_SETTINGS)


def create_batch_engine(url: str, *, name: str, connections: int = 4) -> AsyncEngine:
    """An engine whose sessions plan for statements that look up a whole batch of keys."""
    return _engine(url, name, connections, _SESSION_SETTINGS | _BATCH_SETTINGS)


def _engine(url: str, name: str, connections: int, settings: dict[str, str]) -> AsyncEngine:
    engine = connect_engine(
        url,
        pool_size=connections,
        max_overflow=0,
        pool_timeout=5,
        pool_use_lifo=True,
        connect_args={
            "timeout": _CONNECT_TIMEOUT_SECONDS,
            "server_settings": settings | {"application_name": name},
        },
    )
    event.listen(engine.sync_engine, "checkout", _reject_closed_connection)
    return engine


def _reject_closed_connection(connection: Any, _record: object, _proxy: object) -> None:
    """Make the pool replace a connection that the server closed, so that no request fails after a
    database restart. The driver knows the state; a ping would cost each transaction three round
    trips."""
    if connection.driver_connection.is_closed():
        raise DisconnectionError


@asynccontextmanager
async def transaction(
    engine: AsyncEngine, *, isolation: IsolationLevel | None = None, readonly: bool = False
) -> AsyncIterator[Connection]:
    """A transaction on the driver's connection: committed at the end, rolled back after an error."""
    async with (
        statement(engine) as connection,
        connection.transaction(isolation=isolation, readonly=readonly),
    ):
        yield connection


@asynccontextmanager
async def statement(engine: AsyncEngine) -> AsyncIterator[Connection]:
    """The driver's connection for one statement, which is its own transaction."""
    async with engine.connect() as pooled:
        raw = await pooled.get_raw_connection()
        connection = raw.driver_connection
        assert isinstance(connection, asyncpg.Connection)
        try:
            yield connection
        except _CONNECTION_ERRORS:
            await pooled.invalidate()
            raise


@asynccontextmanager
async def snapshot(engine: AsyncEngine) -> AsyncIterator[Connection]:
    """A read-only transaction whose statements all see the same state of the database."""
    async with transaction(engine, isolation="repeatable_read", readonly=True) as connection:
        yield connection


async def ping(engine: AsyncEngine) -> None:
    """Raise unless the database responds."""
    async with engine.connect() as connection:
        await connection.exec_driver_sql("SELECT 1")
