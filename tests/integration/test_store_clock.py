"""Moving a store's clock while postings run, on real PostgreSQL."""

import asyncio
from datetime import timedelta

from libs.contracts import api
from libs.kernel.caller import Caller
from libs.kernel.clock import format_time, utc_now
from libs.persistence.engine import create_batch_engine, transaction
from libs.persistence.idempotency import StoredResponse
from libs.persistence.writes import Write
from services.earning.handlers.clock import StoreClocks
from services.earning.store import clock, programs
from services.earning.store.clock import Clock
from tests.integration.conftest import Database

STORE = "store_1"
CALLER = Caller(key_id="1", key_name="test", request_id="r", idempotency_key=None)


def render(moved: Clock) -> StoredResponse:
    return StoredResponse(200, format_time(moved.now).encode())


async def test_a_clock_moves_between_postings_never_during_one(earning_database: Database) -> None:
    """A posting in progress shares the lock of the store's programs."""
    engine = create_batch_engine(earning_database.url, name="test", connections=4)
    clocks = StoreClocks(engine, movable=True)
    moment = utc_now() + timedelta(days=400)
    body = api.ClockRequest(now=format_time(moment))
    async with transaction(engine) as posting:
        assert await programs.lock_and_read(posting, {STORE, "store_2"}) == {}
        moving = asyncio.create_task(clocks.move(Write(STORE, body, None, CALLER), render))
        done, _ = await asyncio.wait([moving], timeout=0.5)
        assert done == set()
        assert (await clock.read_now(posting, [STORE]))[STORE] < moment
    assert (await moving).body == format_time(moment).encode()
    async with transaction(engine) as posting:
        in_force = await programs.lock_and_read(posting, {STORE, "store_2"})
        assert in_force.keys() == {STORE}
        now = await clock.read_now(posting, [STORE, "store_2"])
    assert (await clocks.now(STORE)) >= now[STORE] >= moment > now["store_2"]
    await engine.dispose()
