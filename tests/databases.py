"""Databases that are copies of another one: migrating a database takes as long as most tests."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from tests.support import Stack
from tools.stack import config, postgres


@asynccontextmanager
async def administrator(stack: Stack) -> AsyncIterator[Any]:
    """A connection of the administrator of the stack's PostgreSQL."""
    connection = await asyncpg.connect(stack.addresses.postgres_admin)
    try:
        yield connection
    finally:
        await connection.close()


async def copy(stack: Stack, service: str, *, template: str, name: str) -> None:
    """Create the database `name` for the roles of `service`, as a copy of `template`, to which nobody
    may be connected."""
    async with administrator(stack) as connection:
        await connection.execute(
            f'CREATE DATABASE "{name}" TEMPLATE "{template}" OWNER "{service}_owner"'
        )
    await create(stack, service, name=name)


async def create(stack: Stack, service: str, *, name: str) -> None:
    """Create the database `name` for the roles of `service`, without tables. A copy has none of the
    rights on the database itself, and gets them."""
    password_of = config.stack_secrets(stack.home).password_of
    await postgres.create_database(stack.addresses.postgres_admin, service, password_of, name=name)
