"""Which database errors are transient, and the error raised after a lost race."""

import asyncpg
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

# SQLSTATE classes: connection exception, transaction rollback, insufficient resources, operator
# intervention, system error.
_TRANSIENT_CLASSES = ("08", "40", "53", "57", "58")
# Lock not available; read-only transaction, as on a standby during a failover.
_TRANSIENT_STATES = ("55P03", "25006")

# Data exception: a value outside its type or range; and a violated check constraint.
_VALUE_CLASS = "22"
_CHECK_VIOLATION = "23514"


class ConcurrentWrite(Exception):
    """A concurrent transaction wrote the same rows first: roll back and start over."""


def check_rows(status: str, rows: int) -> None:
    """Raise ConcurrentWrite unless the statement with this status wrote so many rows."""
    if int(status.rpartition(" ")[2]) != rows:
        raise ConcurrentWrite


# After an internal driver error the connection is lost; a retry gets a new one.
_TRANSIENT_ERRORS = (
    ConcurrentWrite,
    OSError,
    TimeoutError,
    PoolTimeout,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    # A migration changed a table while this process had a plan for it; the driver plans again.
    asyncpg.InvalidCachedStatementError,
)


def is_refused_value(error: BaseException) -> bool:
    """Whether the database, or the driver that encodes for it, rejects a value of the statement: it
    will be rejected again, while the same statement may succeed with other values."""
    if isinstance(error, DBAPIError) and error.orig is not None:
        return is_refused_value(error.orig)
    if isinstance(error, asyncpg.PostgresError):
        state = error.sqlstate or ""
        return state.startswith(_VALUE_CLASS) or state == _CHECK_VIOLATION
    if isinstance(error, asyncpg.InterfaceError | UnicodeEncodeError):
        return isinstance(error, ValueError)
    cause = error.__cause__
    return cause is not None and cause is not error and is_refused_value(cause)


def is_transient(error: BaseException) -> bool:
    """Whether a later retry of the same work may succeed.

    True for a database that is unavailable, overloaded or shutting down, for deadlocks and lock
    timeouts, and for a lost race; False for a statement or value that the database rejects.
    """
    if is_refused_value(error):
        # The driver's DataError is also an InterfaceError.
        return False
    if isinstance(error, DBAPIError) and error.orig is not None:
        return is_transient(error.orig) or isinstance(error, OperationalError | InterfaceError)
    cause = error.__cause__
    if isinstance(error, _TRANSIENT_ERRORS):
        return True
    if isinstance(error, asyncpg.PostgresError):
        state = error.sqlstate or ""
        return state.startswith(_TRANSIENT_CLASSES) or state in _TRANSIENT_STATES
    return cause is not None and cause is not error and is_transient(cause)
