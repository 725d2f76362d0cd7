"""The databases under a benchmark: a program, a second database, tidying up between rounds."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from libs.persistence.migrate import upgrade
from tests.bench.servers import STORE
from tests.support import Stack
from tools.stack import config, postgres

# One tier, ten points per dollar.
_PROGRAM = """
WITH program AS (
    INSERT INTO programs (id, store_id, version_id, created_at)
    VALUES (gen_random_uuid(), $1, 0, now()) RETURNING id
)
INSERT INTO program_versions (program_id, version, name, points_per_dollar, currency, is_active, tiers,
                              created_at)
SELECT id, 1, 'Bench', 10, 'USD', true,
       '[{"name": "Bronze", "min_points": 0, "multiplier": 1}]', now() FROM program
RETURNING id, program_id
"""
_SET_EXPIRY = """
WITH program AS (UPDATE programs SET has_lifecycle = true WHERE store_id = $1 RETURNING version_id)
UPDATE program_versions SET expiry = '{"kind": "after", "months": 12}' FROM program WHERE id = version_id
"""


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection of its own."""
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


async def create_program(url: str, *, store: str = STORE) -> None:
    """Give the store a program, in the database of earning that `url` names for its owner."""
    async with connected(url) as connection:
        row = await connection.fetchrow(_PROGRAM, store)
        assert row is not None
        version, program = row
        await connection.execute(
            "UPDATE programs SET version_id = $1 WHERE id = $2", version, program
        )


async def let_points_expire(url: str, *, store: str) -> None:
    """Have the points of the store expire 12 months after they were earned. Nothing is posted there yet."""
    async with connected(url) as connection:
        await connection.execute(_SET_EXPIRY, store)


async def tidy(url: str) -> None:
    """Leave no work of the last round to the next one: empty the outbox, update the statistics."""
    async with connected(url) as connection:
        await connection.execute("TRUNCATE outbox")
        await connection.execute("VACUUM ANALYZE accounts, entries, orders")


class Second:
    """Another database with the tables and indexes of earning, at the addresses of its owner and of
    the service."""

    def __init__(self, stack: Stack, name: str) -> None:
        secrets = config.stack_secrets(stack.home)
        self.name = name
        self._admin = stack.addresses.postgres_admin
        self._password_of = secrets.password_of
        self.owner = self._url("earning_owner")
        self.service = self._url("earning")

    def _url(self, role: str) -> str:
        return postgres.role_url(self._admin, role, self._password_of(role), name=self.name)

    async def create(self) -> "Second":
        await postgres.create_database(self._admin, "earning", self._password_of, name=self.name)
        await asyncio.to_thread(upgrade, "services.earning", self.owner)
        return self


async def lean_database(stack: Stack) -> str:
    """A second database for a limit; returns its owner's address."""
    return (await Second(stack, "lean").create()).owner
