"""Shop events sent over REST: published to their topics, then the response is stored."""

import contextlib
from collections.abc import Awaitable, Callable, Sequence

from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncEngine

from libs.kernel.errors import WhaleError
from libs.messaging.outbox import EncodedEvent
from libs.observability import metrics
from libs.persistence.engine import transaction
from libs.persistence.errors import ConcurrentWrite
from libs.persistence.idempotency import Claim, StoredResponse, in_progress
from libs.persistence.stored_responses import find, release, store
from libs.persistence.writes import Write

Publish = Callable[[Sequence[EncodedEvent]], Awaitable[None]]


class Guest(Struct, frozen=True):
    """An event of `topic` without a customer, which is ignored."""

    topic: str


class SubmittedEvent(Struct, frozen=True):
    """An event of a request: its id if it has a readable one, and what it was read as."""

    id: str | None
    content: EncodedEvent | Guest | WhaleError


async def publish_events(
    engine: AsyncEngine,
    publish: Publish,
    write: Write[bytes],
    events: Sequence[SubmittedEvent],
    response: StoredResponse,
) -> StoredResponse:
    """Publish the valid events of the request; returns `response`, or that of an earlier request
    with the same key. Raises Unavailable or IdempotencyKeyReused.

    The key is claimed before anything is published, so that another request under the same key
    publishes nothing. The response is stored after the events are published: if the process fails
    in between, a retry publishes them again, which counts nothing twice.
    """
    stored = await _claim(engine, write.claim)
    if stored is not None and not stored.is_in_progress:
        return stored
    await publish([event.content for event in events if isinstance(event.content, EncodedEvent)])
    for event in events:
        if isinstance(event.content, Guest):
            metrics.GUEST_EVENTS.labels(event.content.topic).inc()
    return await _store(engine, write.claim, response)


async def _claim(engine: AsyncEngine, claim: Claim | None) -> StoredResponse | None:
    """Claim the key if it is free; returns what an earlier request stored under it."""
    if claim is None:
        return None
    with contextlib.suppress(ConcurrentWrite):
        async with transaction(engine) as connection:
            stored = (await find(connection, [claim])).response_to(claim)
            if stored is None:
                await store(connection, [(claim, in_progress())])
            return stored
    return await _find(engine, claim)


async def _store(
    engine: AsyncEngine, claim: Claim | None, response: StoredResponse
) -> StoredResponse:
    """Replace the claim by the response. If a duplicate request stored its response first, that
    response is returned."""
    if claim is None:
        return response
    try:
        async with transaction(engine) as connection:
            await release(connection, [(claim.store_id, claim.key, b"")])
            await store(connection, [(claim, response)])
    except ConcurrentWrite:
        return await _find(engine, claim) or response
    return response


async def _find(engine: AsyncEngine, claim: Claim) -> StoredResponse | None:
    async with transaction(engine) as connection:
        return (await find(connection, [claim])).response_to(claim)
