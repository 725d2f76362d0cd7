"""The engine on a real PostgreSQL that comes and goes."""

import asyncio

import asyncpg
import pytest

from libs.persistence.engine import create_engine, transaction
from tests.integration.conftest import Database

CUT = """
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE application_name = 'cut' AND datname = current_database()
"""


@pytest.mark.parametrize("connections", [1, 3])
async def test_nobody_is_given_a_connection_that_the_server_closed(
    earning_database: Database, connections: int
) -> None:
    engine = create_engine(earning_database.url, name="cut", connections=connections)
    everyone = asyncio.Barrier(connections)

    async def ask() -> int:
        async with transaction(engine) as connection:
            # All at once, so that each has a connection of its own.
            await everyone.wait()
            number: int = await connection.fetchval("SELECT 1")
            return number

    async def ask_together() -> list[int]:
        return await asyncio.gather(*(ask() for _ in range(connections)))

    other = await asyncpg.connect(earning_database.url)
    for _ in range(3):
        assert await ask_together() == [1] * connections
        assert await other.fetchval(CUT) == connections
        # The driver hears of it in the next turn of the loop that the network comes to.
        await asyncio.sleep(0.2)
    assert await ask_together() == [1] * connections
    await other.close()
    await engine.dispose()
