"""P9: a backlog posted into a large ledger."""

import hashlib

from tests.bench import history
from tests.bench.backlog import tidy_ledger, work_off
from tests.bench.bench import Bench
from tests.bench.databases import Second, connected, create_program
from tests.bench.figures import Figure
from tests.bench.outcome import Outcome, outcome
from tests.bench.servers import STORE
from tests.bench.turns import in_turns

# The accounts stay, as P1's rounds leave them.
_TABLES = """
SELECT string_agg(quote_ident(tablename), ', ') FROM pg_tables
WHERE schemaname = 'public'
  AND tablename NOT IN ('accounts', 'programs', 'program_versions', 'schema_version')
"""
_EMPTY_ACCOUNTS = "UPDATE accounts SET balance = 0, lifetime = 0, sequence = 0"


async def p9_large_ledger(bench: Bench) -> list[Outcome]:
    """P9: P1 into a large ledger, with order ids in no order, against P1 into an empty one."""
    owner = bench.stack.database("earning", owner=True)
    await create_program(owner)
    await history.fill(bench, owner, bench.sizes.large_ledger)
    empty = await Second(bench.stack, "empty").create()
    await create_program(empty.owner)

    async def ours() -> Figure:
        await tidy_ledger(bench)
        return (await work_off(bench, order_id=_random_id)).steady

    async def limit() -> Figure:
        async with connected(empty.owner) as connection:
            await connection.execute(f"TRUNCATE {await connection.fetchval(_TABLES)}")
            await connection.execute(_EMPTY_ACCOUNTS)
            await connection.execute("VACUUM ANALYZE")
        return (await work_off(bench, database=empty.service)).steady

    figures = await in_turns(bench, "P9 large ledger", {"ours": ours, "limit": limit})
    return [outcome("P9 large ledger", figures["ours"], figures["limit"], unit="orders/s")]


def _random_id(unique: str) -> str:
    return hashlib.md5(f"{STORE}{unique}".encode()).hexdigest()
