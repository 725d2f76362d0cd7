"""Events over REST under an Idempotency-Key: published first, then kept, and once per request."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest
from msgspec.structs import replace
from sqlalchemy.ext.asyncio import AsyncEngine

from libs.kernel.errors import IdempotencyKeyReused, Unavailable
from libs.messaging.outbox import EncodedEvent
from libs.persistence.engine import create_engine
from libs.persistence.idempotency import Claim
from services.earning.handlers import intake
from services.earning.handlers.intake import Sent
from tests.integration.conftest import Database

CLAIM = Claim("store_1", "monday", b"one request")
EVENT = EncodedEvent("order.completed", b"key", b"{}", "evt-1", "/shop", "2026-03-10T12:00:00Z")
SENT = [Sent("evt-1", EVENT)]


class Topics:
    """What was published; away as long as `is_away`."""

    def __init__(self) -> None:
        self.events: list[EncodedEvent] = []
        self.is_away = False

    async def publish(self, events: Sequence[EncodedEvent]) -> None:
        await asyncio.sleep(0)
        if self.is_away:
            raise Unavailable("away")
        self.events += events


@pytest.fixture
async def engine(earning_database: Database) -> AsyncIterator[AsyncEngine]:
    made = create_engine(earning_database.url, name="test", connections=4)
    yield made
    await made.dispose()


async def test_what_was_not_published_is_not_kept(engine: AsyncEngine) -> None:
    topics = Topics()
    topics.is_away = True
    with pytest.raises(Unavailable):
        await intake.send(engine, topics.publish, SENT, CLAIM, "req_1")
    topics.is_away = False
    answer = await intake.send(engine, topics.publish, SENT, CLAIM, "req_2")
    assert (answer.status, answer.replayed) == (202, False)
    assert topics.events == [EVENT]


async def test_a_repeat_gets_the_first_answer_and_publishes_nothing(engine: AsyncEngine) -> None:
    topics = Topics()
    first = await intake.send(engine, topics.publish, SENT, CLAIM, "req_1")
    again = await intake.send(engine, topics.publish, SENT, CLAIM, "req_2")
    assert again == replace(first, replayed=True)
    assert topics.events == [EVENT]


async def test_another_request_under_the_key_publishes_nothing(engine: AsyncEngine) -> None:
    topics = Topics()
    await intake.send(engine, topics.publish, SENT, CLAIM, "req_1")
    other = Claim(CLAIM.store_id, CLAIM.key, b"another request")
    with pytest.raises(IdempotencyKeyReused):
        await intake.send(engine, topics.publish, SENT, other, "req_2")
    assert topics.events == [EVENT]


async def test_twins_at_the_same_moment_get_one_answer(engine: AsyncEngine) -> None:
    topics = Topics()
    answers = await asyncio.gather(
        *(intake.send(engine, topics.publish, SENT, CLAIM, f"req_{n}") for n in range(4))
    )
    assert len({answer.body for answer in answers}) == 1
    assert sorted(answer.replayed for answer in answers) == [False, True, True, True]
