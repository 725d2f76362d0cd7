"""Batches of writes: many requests in one transaction, each with a result or refusal of its own.

A service says what a batch locks and reads (`load`), what a request does to it (`apply`), and what is
written (`write`). The order of steps, the stored responses and the retry after a lost race are the same
for all. A batch of one request is a batch.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, Generic, TypeVar

from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncEngine

from libs.kernel.errors import WhaleError
from libs.persistence.engine import Connection, transaction
from libs.persistence.idempotency import Claim, StoredResponse, in_progress
from libs.persistence.retry import retry_lost_race
from libs.persistence.stored_responses import StoredResponses

Command = TypeVar("Command")
Result = TypeVar("Result")
Batch = TypeVar("Batch")


class BatchRequest(Struct, Generic[Command, Result], frozen=True):
    """Commands that share one response.

    `render` makes the response from the results alone. `render_after_write` may also read what the
    transaction wrote; it returns None if more transactions have to follow. Either may raise
    a WhaleError, and the request is refused with it. With a `claim`, the response is stored under its
    key in the same transaction; a request that has no response yet claims the key with its first
    transaction, and `write_id` identifies it there.
    """

    commands: Sequence[Command]
    claim: Claim | None = None
    render: Callable[[Sequence[Result]], StoredResponse] | None = None
    render_after_write: (
        Callable[[Connection, Sequence[Result]], Awaitable[StoredResponse | None]] | None
    ) = None
    write_id: bytes = b""


class RequestResult(Struct, frozen=True):
    """What became of a request that was not refused: a result for each command and the response, or
    only the stored response to an earlier request with the same key. `replayed` if there was one."""

    results: Sequence[Any] = ()
    response: StoredResponse | None = None
    replayed: bool = False


Request = TypeVar("Request", bound=BatchRequest[Any, Any])
RequestOutcome = RequestResult | WhaleError

# Locks and reads what the requests touch. It also finds the stored responses: under its locks, so that a
# request that waited for its duplicate finds the duplicate's response.
Load = Callable[[Connection, Sequence[Request]], Awaitable[tuple[Batch, StoredResponses]]]
# Carries out a request on the batch and returns a result for each of its commands. The third argument
# is the marker of an earlier request with the same key that has no response yet.
Apply = Callable[[Batch, Request, StoredResponse | None], Sequence[Any]]
Write = Callable[[Connection, Batch], Awaitable[None]]


async def run(
    engine: AsyncEngine,
    requests: Sequence[Request],
    *,
    load: Load[Request, Batch],
    apply: Apply[Batch, Request],
    write: Write[Batch],
    dry_run: bool = False,
) -> list[RequestOutcome]:
    """Carry out all `requests` in one transaction, in order; returns a result or refusal for each.

    A refusal, which is a WhaleError, does not affect the other requests. After ConcurrentWrite the
    batch starts over. Raises database errors; then nothing was written. With `dry_run`, the outcomes
    are the same and nothing is written either.
    """
    attempt = partial(_attempt, engine, requests, load, apply, write, dry_run)
    return await retry_lost_race(attempt)


class _DryRun(Exception):
    """Rolls the transaction back."""


async def _attempt(
    engine: AsyncEngine,
    requests: Sequence[Request],
    load: Load[Request, Batch],
    apply: Apply[Batch, Request],
    write: Write[Batch],
    dry_run: bool,
) -> list[RequestOutcome]:
    outcomes: list[RequestOutcome] = []
    with contextlib.suppress(_DryRun):
        async with transaction(engine) as connection:
            batch, stored = await load(connection, requests)
            for request in requests:
                outcomes.append(_apply(batch, request, stored, apply))
                if len(request.commands) > 1:
                    # The event loop can serve HTTP requests.
                    await asyncio.sleep(0)
            await write(connection, batch)
            for index, request in enumerate(requests):
                outcomes[index] = await _render(connection, request, outcomes[index], stored)
            await stored.save(connection)
            if dry_run:
                raise _DryRun
    return outcomes


def _apply(
    batch: Batch, request: Request, stored: StoredResponses, apply: Apply[Batch, Request]
) -> RequestOutcome:
    claim = request.claim
    try:
        earlier = None if claim is None else stored.response_to(claim)
        if earlier is not None and not earlier.is_in_progress:
            return RequestResult(response=earlier, replayed=True)
        results = apply(batch, request, earlier)
        response = None if request.render is None else request.render(results)
    except WhaleError as refusal:
        return _without_traceback(refusal)
    if claim is not None and (response is not None or earlier is None):
        stored.remember(claim, response or in_progress(request.write_id))
    return RequestResult(results, response, replayed=earlier is not None)


async def _render(
    connection: Connection, request: Request, outcome: RequestOutcome, stored: StoredResponses
) -> RequestOutcome:
    """The outcome with its response rendered by `render_after_write`. An outcome that is refused, or
    already has its response, is returned as it is."""
    if (
        request.render_after_write is None
        or isinstance(outcome, WhaleError)
        or outcome.response is not None
    ):
        return outcome
    claim = request.claim
    # An earlier request of this batch with the same key may have its response by now.
    response = None if claim is None else stored.response_to(claim)
    if response is not None and not response.is_in_progress:
        return RequestResult(response=response, replayed=True)
    try:
        response = await request.render_after_write(connection, outcome.results)
    except WhaleError as refusal:
        if claim is not None:
            stored.forget(claim.store_id, claim.key)
        return _without_traceback(refusal)
    if claim is not None and response is not None:
        stored.remember(claim, response)
    return RequestResult(outcome.results, response, replayed=outcome.replayed)


def _without_traceback(refusal: WhaleError) -> WhaleError:
    """The same refusal. Its traceback refers to the frames that hold the results, of which it is one: the
    whole batch would stay until the garbage collector finds it."""
    return refusal.with_traceback(None)
