"""The services' databases, as commands for operators reach them."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import asyncpg

from tools.stack import config, services
from tools.stack.errors import away


def database_url(service: str) -> str:
    """A service's database in this stack, for its owner."""
    settings = config.settings()
    secrets = config.stack_secrets(settings.folder)
    where = services.addresses(settings, secrets)
    return services.database_url(where, secrets, service, owner=True)


@contextmanager
def reached() -> Iterator[None]:
    """Raises StackError where what is done inside does not reach the databases' server."""
    try:
        yield
    except (OSError, asyncpg.CannotConnectNowError, asyncpg.PostgresConnectionError) as error:
        raise away("PostgreSQL", "WHALE_POSTGRES_URL") from error


@asynccontextmanager
async def connected(service: str) -> AsyncIterator[Any]:
    """A connection to a service's database; raises StackError where it does not answer."""
    with reached():
        connection = await asyncpg.connect(database_url(service))
    try:
        yield connection
    finally:
        await connection.close()
