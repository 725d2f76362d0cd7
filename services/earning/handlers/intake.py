"""Events that come over REST: on their topics first, then the answer."""

from collections.abc import Awaitable, Callable, Sequence

from msgspec import Raw, Struct
from sqlalchemy.ext.asyncio import AsyncEngine

from libs.contracts import api
from libs.contracts.intake import EventsAnswer, EventVerdict
from libs.kernel.errors import WhaleError
from libs.messaging.outbox import EncodedEvent
from libs.observability import metrics
from libs.persistence.engine import transaction
from libs.persistence.errors import Rival
from libs.persistence.idempotency import Claim, KeptAnswer, find, keep
from libs.web import problems

Publish = Callable[[Sequence[EncodedEvent]], Awaitable[None]]


class Guest(Struct, frozen=True):
    """An event of `topic` that names no customer: it is passed over."""

    topic: str


class Sent(Struct, frozen=True):
    """An event as it was sent: its id where it has one, and what it is or what is wrong with it."""

    id: str | None
    outcome: EncodedEvent | Guest | WhaleError


async def send(
    engine: AsyncEngine,
    publish: Publish,
    sent: Sequence[Sent],
    claim: Claim | None,
    request_id: str,
) -> tuple[KeptAnswer, bool]:
    """Publish the good ones; answers a verdict for each, and whether it is that of an earlier
    request. Raises Unavailable or IdempotencyKeyReused.

    The answer is kept after the events are on their topics: a crash in between lets a retry publish
    them again, which counts nothing twice, whereas an answer kept before might promise too much.
    """
    before = await _kept(engine, claim)
    if before is not None:
        return before, True
    await publish([one.outcome for one in sent if isinstance(one.outcome, EncodedEvent)])
    for one in sent:
        if isinstance(one.outcome, Guest):
            metrics.GUEST_EVENTS.labels(one.outcome.topic).inc()
    data = [_verdict(one, request_id) for one in sent]
    answer = KeptAnswer(202, api.encode(EventsAnswer(data=data)))
    if claim is None:
        return answer, False
    try:
        async with transaction(engine) as connection:
            await keep(connection, [(claim, answer)])
    except Rival:
        first = await _kept(engine, claim)
        assert first is not None
        return first, True
    return answer, False


async def _kept(engine: AsyncEngine, claim: Claim | None) -> KeptAnswer | None:
    if claim is None:
        return None
    async with transaction(engine) as connection:
        return (await find(connection, [claim])).answer_to(claim)


def _verdict(sent: Sent, request_id: str) -> EventVerdict:
    if isinstance(sent.outcome, EncodedEvent):
        return EventVerdict(id=sent.id, status=202)
    if isinstance(sent.outcome, Guest):
        return EventVerdict(id=sent.id, status=202, guest=True)
    problem = Raw(problems.body_of(sent.outcome, request_id))
    return EventVerdict(id=sent.id, status=problems.status_of(sent.outcome), problem=problem)
