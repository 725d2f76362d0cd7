"""The ledger that the large benchmarks generate is one that posting could have left."""

from tests.bench import history
from tests.bench.bench import Bench
from tests.bench.databases import connected, create_program
from tests.bench.display import Display
from tests.bench.servers import STORE
from tests.bench.sizes import TRIAL
from tests.integration.conftest import Database
from tests.support import Stack, ledger_faults


async def test_a_generated_ledger_is_consistent(stack: Stack, earning_database: Database) -> None:
    owner = earning_database.owner_url
    await create_program(owner)
    await history.fill(Bench(stack, TRIAL, Display()), owner, 60, customers=20)
    async with connected(owner) as connection:
        assert await connection.fetchval("SELECT count(*) FROM entries") == 60
        assert await ledger_faults(connection) == []
        days = await connection.fetch(
            "SELECT issued, active_customers FROM days WHERE store_id = $1", STORE
        )
    assert [tuple(day) for day in days] == [(60 * 199, 20)]
