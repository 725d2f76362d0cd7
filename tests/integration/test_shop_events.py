"""Shop events over REST under an Idempotency-Key: published before their response is stored."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest
from msgspec.structs import replace
from sqlalchemy.ext.asyncio import AsyncEngine

from libs.kernel.caller import Caller
from libs.kernel.errors import IdempotencyKeyReused, Unavailable
from libs.messaging.outbox import EncodedEvent
from libs.persistence.engine import create_engine
from libs.persistence.idempotency import Claim, StoredResponse
from libs.persistence.writes import Write
from services.earning.handlers.shop_events import SubmittedEvent, publish_events
from tests.integration.conftest import Database

CLAIM = Claim("store_1", "monday", b"one request")
EVENT = EncodedEvent("order.completed", b"key", b"{}", "evt-1", "/shop", "2026-03-10T12:00:00Z")


class Topics:
    """Records published events; refuses them while `is_unavailable`."""

    def __init__(self) -> None:
        self.events: list[EncodedEvent] = []
        self.is_unavailable = False

    async def publish(self, events: Sequence[EncodedEvent]) -> None:
        await asyncio.sleep(0)
        if self.is_unavailable:
            raise Unavailable("Kafka is unavailable.")
        self.events += events


@pytest.fixture
async def engine(earning_database: Database) -> AsyncIterator[AsyncEngine]:
    engine = create_engine(earning_database.url, name="test", connections=4)
    yield engine
    await engine.dispose()


async def send(
    engine: AsyncEngine, topics: Topics, body: bytes, claim: Claim = CLAIM
) -> StoredResponse:
    """Send one event; `body` is the response that this request would get."""
    caller = Caller(key_id="key_1", key_name="shop", request_id="req_1", idempotency_key=claim.key)
    return await publish_events(
        engine,
        topics.publish,
        Write("store_1", b"", claim, caller),
        [SubmittedEvent("evt-1", EVENT)],
        StoredResponse(202, body),
    )


async def test_a_request_that_was_not_published_stores_no_response(engine: AsyncEngine) -> None:
    topics = Topics()
    topics.is_unavailable = True
    with pytest.raises(Unavailable):
        await send(engine, topics, b"first")
    topics.is_unavailable = False
    assert await send(engine, topics, b"second") == StoredResponse(202, b"second")
    assert topics.events == [EVENT]


async def test_a_retry_gets_the_first_response_and_publishes_nothing(engine: AsyncEngine) -> None:
    topics = Topics()
    first = await send(engine, topics, b"first")
    assert await send(engine, topics, b"second") == replace(first, replayed=True)
    assert topics.events == [EVENT]


async def test_another_request_with_the_same_key_publishes_nothing(engine: AsyncEngine) -> None:
    topics = Topics()
    await send(engine, topics, b"first")
    other = Claim(CLAIM.store_id, CLAIM.key, b"another request")
    with pytest.raises(IdempotencyKeyReused):
        await send(engine, topics, b"second", other)
    assert topics.events == [EVENT]


async def test_concurrent_duplicates_get_the_same_response(engine: AsyncEngine) -> None:
    topics = Topics()
    responses = await asyncio.gather(
        *(send(engine, topics, f"response {number}".encode()) for number in range(4))
    )
    assert len({response.body for response in responses}) == 1
    assert sorted(response.replayed for response in responses) == [False, True, True, True]
