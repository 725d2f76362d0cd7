"""Events that come over REST: on their topics first, then the answer."""

import contextlib
from collections.abc import Awaitable, Callable, Sequence

from msgspec import Raw, Struct
from sqlalchemy.ext.asyncio import AsyncEngine

from libs.contracts import api
from libs.contracts.intake import EventsAnswer, EventVerdict
from libs.kernel.errors import WhaleError
from libs.messaging.outbox import EncodedEvent
from libs.observability import metrics
from libs.persistence.engine import transaction
from libs.persistence.errors import ConcurrentWrite
from libs.persistence.idempotency import Claim, StoredResponse, find, in_progress, release, store
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
) -> StoredResponse:
    """Publish the good ones; returns a verdict for each, or those of the first request with the key.
    Raises Unavailable or IdempotencyKeyReused.

    The key is claimed before anything is published, so that another request with it publishes
    nothing. The answer is kept after the events are on their topics: the same request, repeated
    after a crash or failure in between, publishes them again, which counts nothing twice.
    """
    before = await _claim(engine, claim)
    if before is not None and not before.is_in_progress:
        return before
    await publish([one.outcome for one in sent if isinstance(one.outcome, EncodedEvent)])
    for one in sent:
        if isinstance(one.outcome, Guest):
            metrics.GUEST_EVENTS.labels(one.outcome.topic).inc()
    data = [_verdict(one, request_id) for one in sent]
    answer = StoredResponse(202, api.encode(EventsAnswer(data=data)))
    return await _keep(engine, claim, answer)


async def _claim(engine: AsyncEngine, claim: Claim | None) -> StoredResponse | None:
    """What stood under the key before; where nothing did, the key is claimed from now on."""
    if claim is None:
        return None
    with contextlib.suppress(ConcurrentWrite):
        async with transaction(engine) as connection:
            before = (await find(connection, [claim])).response_to(claim)
            if before is None:
                await store(connection, [(claim, in_progress())])
            return before
    return await _kept(engine, claim)


async def _keep(engine: AsyncEngine, claim: Claim | None, answer: StoredResponse) -> StoredResponse:
    """Keep the answer in place of the claim; where the same request was answered meanwhile, that
    answer counts."""
    if claim is None:
        return answer
    try:
        async with transaction(engine) as connection:
            await release(connection, [(claim.store_id, claim.key, b"")])
            await store(connection, [(claim, answer)])
    except ConcurrentWrite:
        return await _kept(engine, claim) or answer
    return answer


async def _kept(engine: AsyncEngine, claim: Claim) -> StoredResponse | None:
    async with transaction(engine) as connection:
        return (await find(connection, [claim])).response_to(claim)


def _verdict(sent: Sent, request_id: str) -> EventVerdict:
    if isinstance(sent.outcome, EncodedEvent):
        return EventVerdict(id=sent.id, status=202)
    if isinstance(sent.outcome, Guest):
        return EventVerdict(id=sent.id, status=202, guest=True)
    problem = Raw(problems.body_of(sent.outcome, request_id))
    return EventVerdict(id=sent.id, status=problems.status_of(sent.outcome), problem=problem)
