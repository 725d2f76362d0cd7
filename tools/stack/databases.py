"""Access to the services' databases for operators' commands."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import asyncpg

from tools.stack import record, services
from tools.stack.errors import StackError, unavailable


def database_url(service: str) -> str:
    """The URL of a service's database in this stack, for the owner role."""
    stack = record.find_servers()
    return services.database_url(stack.addresses, stack.secrets, service, owner=True)


@contextmanager
def reporting_unavailable() -> Iterator[None]:
    """Raise StackError where the code inside cannot connect to PostgreSQL, or is refused."""
    try:
        yield
    except (OSError, asyncpg.CannotConnectNowError, asyncpg.PostgresConnectionError) as error:
        raise unavailable("PostgreSQL", "WHALE_POSTGRES_URL") from error
    except (
        asyncpg.InvalidAuthorizationSpecificationError,
        asyncpg.InvalidCatalogNameError,
    ) as error:
        raise StackError(
            f"PostgreSQL refuses this command: {error}. Its databases, roles and passwords are set by "
            "`python -m tools provision` (by `make up` for a local stack), from secrets.json in WHALE_HOME."
        ) from error


@asynccontextmanager
async def connect(service: str) -> AsyncIterator[Any]:
    """A connection to a service's database; raises StackError where PostgreSQL is unavailable."""
    with reporting_unavailable():
        connection = await asyncpg.connect(database_url(service))
    try:
        yield connection
    finally:
        await connection.close()
