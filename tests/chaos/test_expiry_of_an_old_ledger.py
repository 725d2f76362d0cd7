"""A ledger of a million entries from before points could expire: upgraded, and then its points do."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import asyncpg
import msgspec
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from libs.contracts import api
from libs.contracts.lifecycle import Expiry
from libs.kernel.caller import Caller
from libs.kernel.clock import format_time, utc_now
from libs.persistence.engine import create_batch_engine, transaction
from libs.persistence.idempotency import StoredResponse
from libs.persistence.migrate import upgrade
from libs.persistence.writes import Write
from libs.testing.eventually import eventually
from services.earning.domain.dates import add_months, end_of, to_day
from services.earning.handlers.clock import StoreClocks
from services.earning.store import clock, programs
from services.earning.store.clock import Clock
from tests.bench import history
from tests.bench.bench import Bench
from tests.bench.databases import connected, create_program
from tests.bench.display import Display
from tests.bench.orders import CUSTOMERS
from tests.bench.servers import STORE
from tests.bench.sizes import TRIAL
from tests.chaos.alone import healthy
from tests.chaos.previous import check_out, find_revision
from tests.chaos.test_upgrade_of_a_large_ledger import migrate_as, timed
from tests.integration.conftest import create_empty_database
from tests.support import Stack, ledger_faults
from tests.unit.earning.lifecycle_account import zone

# The last commit before the lines of orders were kept, which came before points could expire.
_OLD_VERSION: Final = "56abbb3"
_ENTRIES: Final = 1_000_000
_COUNTS: Final = """
SELECT count(*) FILTER (WHERE type = 'expire') AS expirations, count(DISTINCT account_id) AS accounts,
       sum(points)::bigint AS points, count(*) AS entries
FROM entries
"""
_REMAINING: Final = (
    "SELECT count(*) FROM accounts WHERE balance <> 0 OR due_at IS NOT NULL OR cycle IS NULL"
)


async def turn_expiry_on(engine: AsyncEngine) -> datetime:
    """Let points expire after twelve months from now on; returns when those that exist do."""
    async with transaction(engine) as connection:
        program = (await programs.lock_for_change(connection, STORE)).all[0]
        changed = msgspec.structs.replace(
            program, version=program.version + 1, expiry=Expiry(kind="after", months=12)
        )
        await programs.add_version(connection, STORE, changed, changed_by="test")
        changed_on = await connection.fetchval("SELECT max(created_at) FROM program_versions")
    return end_of(add_months(to_day(changed_on.astimezone(UTC)), 12), zone("UTC"))


async def move(engine: AsyncEngine, moment: datetime) -> None:
    """Move the store's clock to an instant before which nothing is due."""
    caller = Caller(key_id="1", key_name="test", request_id="r", idempotency_key=None)
    write = Write(STORE, api.ClockRequest(now=format_time(moment)), None, caller)
    await StoreClocks(engine, movable=True).move(write, lambda _clock: StoredResponse(200, b""))


async def jump(engine: AsyncEngine, moment: datetime) -> None:
    """Have the store's clock show an instant, and leave what is due to the sweeper."""
    async with transaction(engine) as connection:
        await programs.lock_for_change(connection, STORE)
        await clock.move(connection, STORE, Clock(utc_now(), moment - utc_now()))


async def verify(connection: asyncpg.Connection, when: str) -> None:
    with timed(f"verified {when}"):
        assert await ledger_faults(connection) == []


@pytest.mark.long
@pytest.mark.timeout(1200)
async def test_points_from_before_expire_once_a_year_after_expiry_was_turned_on(
    bare_stack: Stack, tmp_path: Path, unique: str
) -> None:
    revision = find_revision(_OLD_VERSION)
    if revision is None:
        pytest.skip(f"the commit {_OLD_VERSION} is not in this clone: fetch the whole history")
    database = await create_empty_database(bare_stack, "earning", unique)
    await migrate_as(check_out(revision, tmp_path), database)
    await create_program(database.owner_url)
    with timed(f"generated {_ENTRIES:,} entries"):
        await history.fill(
            Bench(bare_stack, TRIAL, Display()),
            database.owner_url,
            _ENTRIES,
            with_last_days=False,
        )
    with timed("migrated"):
        await asyncio.to_thread(upgrade, "services.earning", database.owner_url)
    engine = create_batch_engine(database.url, name="test", connections=4)
    async with connected(database.owner_url) as connection:
        await verify(connection, "after the upgrade")
        expires_at = await turn_expiry_on(engine)
        settings = {"WHALE_DATABASE_URL": database.url, "WHALE_ROLES": "sweeper"}
        async with healthy(bare_stack, **settings):
            await move(engine, expires_at - timedelta(minutes=10))
            before = await connection.fetchrow(_COUNTS)
            assert before is not None
            await verify(connection, "with expiry, before the date")
            assert (await connection.fetchrow(_COUNTS)) == before
            assert (before["expirations"], before["entries"]) == (0, _ENTRIES)
            started = time.monotonic()
            await jump(engine, expires_at)

            async def is_swept() -> bool:
                return await connection.fetchval(_REMAINING) == 0

            await eventually(is_swept, within_seconds=600, every=0.5)
            seconds = time.monotonic() - started
        print(f"expired the points of {CUSTOMERS:,} accounts in {seconds:.1f} s")
        after = await connection.fetchrow(_COUNTS)
        assert after is not None
        assert (after["expirations"], after["accounts"]) == (CUSTOMERS, CUSTOMERS)
        assert (after["points"], after["entries"]) == (0, _ENTRIES + CUSTOMERS)
        await verify(connection, "after the date")
    await engine.dispose()
