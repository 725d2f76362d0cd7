"""The engine on a real PostgreSQL that closes its connections."""

import asyncio

import asyncpg
import pytest

from libs.persistence.engine import create_engine, transaction
from libs.testing.eventually import eventually
from tests.integration.conftest import Database

CLOSE = """
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE application_name = 'engine_test' AND datname = current_database()
"""
COUNT = CLOSE.replace("pg_terminate_backend(pid)", "*")


@pytest.mark.parametrize("connections", [1, 3])
async def test_the_pool_replaces_connections_that_the_server_closed(
    earning_database: Database, connections: int
) -> None:
    engine = create_engine(earning_database.url, name="engine_test", connections=connections)
    all_connected = asyncio.Barrier(connections)

    async def select_one() -> int:
        async with transaction(engine) as connection:
            # All hold a connection before any query runs, so that each has its own.
            await all_connected.wait()
            number: int = await connection.fetchval("SELECT 1")
            return number

    async def select_together() -> list[int]:
        return await asyncio.gather(*(select_one() for _ in range(connections)))

    other = await asyncpg.connect(earning_database.url)

    async def has_closed_them() -> bool:
        return await other.fetchval(COUNT) == 0

    for _ in range(3):
        assert await select_together() == [1] * connections
        assert await other.fetchval(CLOSE) == connections
        await eventually(has_closed_them)
        # The driver learns of it when the event loop next polls the network.
        await asyncio.sleep(0.2)
    assert await select_together() == [1] * connections
    await other.close()
    await engine.dispose()
