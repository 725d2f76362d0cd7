"""The services' databases, as commands for operators reach them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from tools.stack import config, services
from tools.stack.errors import StackError


def database_url(service: str) -> str:
    """A service's database in this stack, for its owner."""
    settings = config.settings()
    secrets = config.stack_secrets(settings.folder)
    where = services.addresses(settings, secrets)
    return services.database_url(where, secrets, service, owner=True)


@asynccontextmanager
async def connected(service: str) -> AsyncIterator[Any]:
    """A connection to a service's database; raises StackError where it does not answer."""
    try:
        connection = await asyncpg.connect(database_url(service))
    except OSError as error:
        raise StackError("The database does not answer. Start the stack with `make up`.") from error
    try:
        yield connection
    finally:
        await connection.close()
