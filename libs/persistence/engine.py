"""Engines on asyncpg with every time limit stated, and the driver's own connection for batches."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Literal

import asyncpg
from sqlalchemy import event
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

# No statement of ours is meant to take longer; a lock is waited for less long than a caller waits.
_LIMITS: Final = {
    "statement_timeout": "30000",
    "lock_timeout": "10000",
    "idle_in_transaction_session_timeout": "30000",
    "jit": "off",
}
# Batches join a few thousand keys against large tables by index. Cached generic plans misjudge the
# arrays, and a plan that reads a whole table would get slower with every day of business.
_BATCHES: Final = {
    "plan_cache_mode": "force_custom_plan",
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
}
_CONNECT_TIMEOUT_SECONDS: Final = 5.0

# After any of these a connection is not to be used again.
_LOST: Final = (
    OSError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)

IsolationLevel = Literal["read_committed", "repeatable_read", "serializable"]

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]
else:
    # The driver's class is generic for type checkers alone.
    Connection = asyncpg.Connection


def connect_engine(url: str, *, connect_args: dict[str, Any], **options: Any) -> AsyncEngine:
    """An engine whose connections the driver opens from `url` itself, so that all of an address
    that it knows holds: `sslmode`, `sslrootcert`, several hosts. SQLAlchemy reads it differently.
    """
    return create_async_engine(
        # A bare `postgresql` names another driver.
        "postgresql+asyncpg://",
        async_creator=partial(asyncpg.connect, url, **connect_args),
        **options,
    )


def create_engine(url: str, *, name: str, connections: int = 5) -> AsyncEngine:
    """An engine for reads and single statements; `name` shows in pg_stat_activity."""
    return _engine(url, name, connections, _LIMITS)


def create_batch_engine(url: str, *, name: str, connections: int = 4) -> AsyncEngine:
    """An engine whose sessions plan for set-based batches of keys."""
    return _engine(url, name, connections, _LIMITS | _BATCHES)


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
    event.listen(engine.sync_engine, "checkout", _refuse_closed)
    return engine


def _refuse_closed(connection: Any, _record: object, _proxy: object) -> None:
    """The pool takes another connection in place of one that the server closed, so that a database
    that came back is noticed by nobody. The driver knows by itself; a ping would be three round
    trips for every transaction."""
    if connection.driver_connection.is_closed():
        raise DisconnectionError


@asynccontextmanager
async def transaction(
    engine: AsyncEngine, *, isolation: IsolationLevel | None = None, readonly: bool = False
) -> AsyncIterator[Connection]:
    """A transaction on the driver's own connection: committed at the end, or rolled back whole."""
    async with (
        statement(engine) as connection,
        connection.transaction(isolation=isolation, readonly=readonly),
    ):
        yield connection


@asynccontextmanager
async def statement(engine: AsyncEngine) -> AsyncIterator[Connection]:
    """The driver's own connection for one statement, which is a transaction by itself."""
    async with engine.connect() as borrowed:
        raw = await borrowed.get_raw_connection()
        connection = raw.driver_connection
        assert isinstance(connection, asyncpg.Connection)
        try:
            yield connection
        except _LOST:
            await borrowed.invalidate()
            raise


@asynccontextmanager
async def snapshot(engine: AsyncEngine) -> AsyncIterator[Connection]:
    """A read-only transaction whose statements all see the same moment."""
    async with transaction(engine, isolation="repeatable_read", readonly=True) as connection:
        yield connection


async def ping(engine: AsyncEngine) -> None:
    """Raise unless the database answers."""
    async with engine.connect() as connection:
        await connection.exec_driver_sql("SELECT 1")
