"""Which database faults pass by themselves, and the one we raise where a rival came first."""

import asyncpg
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

# Connection faults, not enough resources, operator intervention, serialization and lock faults.
_TRANSIENT_CLASSES = ("08", "40", "53", "57", "58")
_TRANSIENT_STATES = ("55P03", "25006", "57P03")

# A value outside its type or range, and a check constraint that a value breaks.
_VALUE_CLASS = "22"
_CHECK_VIOLATION = "23514"


class ConcurrentWrite(Exception):
    """Another transaction wrote the same key first: nothing of ours holds, start over."""


# A driver that lost its place in the protocol has lost its connection, and takes a new one.
_PASSING = (
    ConcurrentWrite,
    OSError,
    TimeoutError,
    PoolTimeout,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)


def is_refused_value(error: BaseException) -> bool:
    """Whether the database, or its driver while encoding, refuses one of the values it was given:
    the same value will be refused again, and another one may not be."""
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
    """Whether the same work may succeed later without anybody changing it.

    True for a store that is away, too busy or was asked to stop, for deadlocks and lock timeouts,
    and for a lost race; False for a statement or value the database refuses.
    """
    if is_refused_value(error):
        # The driver's own DataError is an InterfaceError as well.
        return False
    if isinstance(error, DBAPIError) and error.orig is not None:
        return is_transient(error.orig) or isinstance(error, OperationalError | InterfaceError)
    cause = error.__cause__
    if isinstance(error, asyncpg.PostgresError):
        state = error.sqlstate or ""
        return state.startswith(_TRANSIENT_CLASSES) or state in _TRANSIENT_STATES
    if isinstance(error, _PASSING):
        return True
    return cause is not None and cause is not error and is_transient(cause)
