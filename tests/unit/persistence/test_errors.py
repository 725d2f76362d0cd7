"""Which database errors are transient, and retried."""

import asyncpg
import pytest
from sqlalchemy import exc

from libs.persistence.errors import ConcurrentWrite, is_transient


def error_with_cause(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    "error",
    [
        ConnectionRefusedError(),
        TimeoutError(),
        exc.TimeoutError("every connection of the pool is in use"),
        asyncpg.InterfaceError("connection is closed"),
        asyncpg.InternalClientError("cannot switch to state 15"),
        asyncpg.DeadlockDetectedError(),
        asyncpg.LockNotAvailableError(),
        asyncpg.TooManyConnectionsError(),
        asyncpg.AdminShutdownError(),
        asyncpg.InvalidCachedStatementError("a migration changed the table of a cached plan"),
        exc.OperationalError("", None, ConnectionError()),
        ConcurrentWrite(),
        error_with_cause(RuntimeError(), ConnectionResetError()),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_transient_error(error: Exception) -> None:
    assert is_transient(error)


@pytest.mark.parametrize(
    "error",
    [
        ValueError(),
        asyncpg.UndefinedTableError(),
        asyncpg.UniqueViolationError(),
        asyncpg.NumericValueOutOfRangeError(),
        exc.ProgrammingError("", None, asyncpg.UndefinedColumnError()),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_permanent_error(error: Exception) -> None:
    assert not is_transient(error)
