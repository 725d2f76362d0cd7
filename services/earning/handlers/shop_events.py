"""Shop events sent over REST: published to their topics, then the response is stored."""

import contextlib
from collections.abc import Awaitable, Callable, Sequence

from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncEngine

from libs.kernel.errors import WhaleError
from libs.messaging.outbox import EncodedEvent
from libs.observability import metrics
from libs.persistence.engine import transaction
from libs.persistence.errors import Rival
from libs.persistence.idempotency import Claim, KeptAnswer, begun, find, free, keep

Publish = Callable[[Sequence[EncodedEvent]], Awaitable[None]]


class Guest(Struct, frozen=True):
    """An event of `topic` without a customer, which is passed over."""

    topic: str


class SubmittedEvent(Struct, frozen=True):
    """An event of a request: its id if it has a readable one, and what it was read as."""

    id: str | None
    content: EncodedEvent | Guest | WhaleError


async def publish_events(
    engine: AsyncEngine,
    publish: Publish,
    events: Sequence[SubmittedEvent],
    response: KeptAnswer,
    claim: Claim | None,
) -> tuple[KeptAnswer, bool]:
    """Publish the valid events; returns `response`, or the stored response of an earlier request,
    and whether it is replayed. Raises Unavailable or IdempotencyKeyReused.

    The key is claimed before anything is published, so that another request under the same key
    publishes nothing. The response is stored after the events are published: if the process fails
    in between, a retry publishes them again, which counts nothing twice.
    """
    stored = await _claim(engine, claim)
    if stored is not None and not stored.is_begun:
        return stored, True
    await publish([event.content for event in events if isinstance(event.content, EncodedEvent)])
    for event in events:
        if isinstance(event.content, Guest):
            metrics.GUEST_EVENTS.labels(event.content.topic).inc()
    return await _store(engine, claim, response)


async def _claim(engine: AsyncEngine, claim: Claim | None) -> KeptAnswer | None:
    """Claim the key if it is free; returns what an earlier request stored under it."""
    if claim is None:
        return None
    with contextlib.suppress(Rival):
        async with transaction(engine) as connection:
            stored = (await find(connection, [claim])).answer_to(claim)
            if stored is None:
                await keep(connection, [(claim, begun())])
            return stored
    return await _find(engine, claim)


async def _store(
    engine: AsyncEngine, claim: Claim | None, response: KeptAnswer
) -> tuple[KeptAnswer, bool]:
    """Replace the claim by the response. If a duplicate request stored its response first, that
    response is returned."""
    if claim is None:
        return response, False
    try:
        async with transaction(engine) as connection:
            await free(connection, [(claim.store_id, claim.key, b"")])
            await keep(connection, [(claim, response)])
    except Rival:
        stored = await _find(engine, claim)
        return stored or response, stored is not None
    return response, False


async def _find(engine: AsyncEngine, claim: Claim) -> KeptAnswer | None:
    async with transaction(engine) as connection:
        return (await find(connection, [claim])).answer_to(claim)
