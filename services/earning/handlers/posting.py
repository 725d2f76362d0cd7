"""The only path that changes balances: a batch of postings in one transaction."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from msgspec import Struct, field
from sqlalchemy.ext.asyncio import AsyncEngine

from libs.kernel.errors import WhaleError
from libs.kernel.ids import uuid7_text
from libs.messaging.outbox import EncodedEvent
from libs.observability import tracing
from libs.persistence import idempotency
from libs.persistence.engine import Connection, transaction
from libs.persistence.errors import ConcurrentWrite
from libs.persistence.group_commit import GroupCommit
from libs.persistence.idempotency import Claim, StoredResponse, StoredResponses
from libs.persistence.retry import retry_lost_race
from services.earning.domain.books import Books, Known
from services.earning.domain.fold import post
from services.earning.domain.postings import (
    Cancellation,
    Debit,
    Order,
    Outcome,
    Posting,
    Recheck,
    Refund,
    Resolution,
    Settlement,
    StatusChange,
)
from services.earning.handlers.ledger_events import build_events
from services.earning.store import debits, ledger, programs, resolutions

Result = Outcome | WhaleError
# The responses that a batch has to store.
NewResponses = dict[Claim, StoredResponse]

Render = Callable[[Sequence[Result]], StoredResponse]
RenderAfterWrite = Callable[[Connection, Sequence[Result]], Awaitable[StoredResponse | None]]


class PostingRequest(Struct, frozen=True):
    """Postings that share one response.

    `render` makes the response from the results alone. `render_after_write` may also read what the
    transaction wrote; it returns None if more transactions have to follow. Either may raise
    a WhaleError, and the request is refused with it. With a `claim`, the response is stored under its
    key in the same transaction; a request that has no response yet claims the key with its first
    transaction. `traceparent` is that of the HTTP request.
    """

    postings: Sequence[Posting]
    claim: Claim | None = None
    render: Render | None = None
    render_after_write: RenderAfterWrite | None = None
    traceparent: str = field(default_factory=tracing.current)


class RequestResult(Struct, frozen=True):
    """What became of a request that was not refused: a `Result` for each posting and the response, or
    only the stored response to an earlier request with the same key."""

    results: Sequence[Result] = ()
    response: StoredResponse | None = None


RequestOutcome = RequestResult | WhaleError
PostingGroup = GroupCommit[PostingRequest, RequestResult]


async def submit(
    group_commit: PostingGroup, request: PostingRequest, *, weight: int = 1
) -> StoredResponse:
    """Post `request` together with concurrent ones, and return its response."""
    result = await group_commit.submit(request, weight=weight)
    assert result.response is not None
    return result.response


async def post_batch(
    engine: AsyncEngine, requests: Sequence[PostingRequest]
) -> list[RequestOutcome]:
    """Post all `requests` in one transaction, in order; returns a result or refusal for each.

    A refusal does not affect the other requests. Raises database errors; then nothing was posted.
    """
    return await retry_lost_race(partial(_attempt, engine, requests))


async def _attempt(engine: AsyncEngine, requests: Sequence[PostingRequest]) -> list[RequestOutcome]:
    postings = [posting for request in requests for posting in request.postings]
    async with transaction(engine) as connection:
        books = Books(await _load(connection, postings), new_id=uuid7_text)
        stored = await idempotency.find(
            connection, [request.claim for request in requests if request.claim is not None]
        )
        stored_keys = frozenset(stored.responses)
        outcomes, new_responses, events = await _fold(books, requests, stored)
        await ledger.write(connection, books, events)
        for index, request in enumerate(requests):
            if request.render_after_write is not None:
                outcomes[index] = await _render_after_write(
                    connection, request, outcomes[index], stored, new_responses
                )
        await _store_responses(connection, new_responses, stored_keys)
    return outcomes


async def _render_after_write(
    connection: Connection,
    request: PostingRequest,
    outcome: RequestOutcome,
    stored: StoredResponses,
    new_responses: NewResponses,
) -> RequestOutcome:
    """The outcome with its response rendered by `render_after_write`. An outcome that is refused, or
    already has its response, is returned as it is."""
    if (
        isinstance(outcome, WhaleError)
        or outcome.response is not None
        or request.render_after_write is None
    ):
        return outcome
    # An earlier request of this batch with the same key may have its response by now.
    response = None if request.claim is None else stored.response_to(request.claim)
    if response is not None and not response.is_in_progress:
        return RequestResult(response=response)
    try:
        response = await request.render_after_write(connection, outcome.results)
    except WhaleError as refusal:
        return refusal
    if request.claim is not None:
        new_responses[request.claim] = response or idempotency.in_progress()
        stored.remember(request.claim, new_responses[request.claim])
    return RequestResult(results=outcome.results, response=response)


async def _store_responses(
    connection: Connection, responses: NewResponses, stored_keys: frozenset[tuple[str, str]]
) -> None:
    """Store the responses. If an earlier transaction claimed the key, the response replaces that claim."""
    claimed = {claim for claim in responses if (claim.store_id, claim.key) in stored_keys}
    completed = [claim for claim in claimed if not responses[claim].is_in_progress]
    await idempotency.release(connection, [(claim.store_id, claim.key, b"") for claim in completed])
    await idempotency.store(
        connection,
        [
            (claim, response)
            for claim, response in responses.items()
            if claim not in claimed or not response.is_in_progress
        ],
    )


async def _load(connection: Connection, postings: Sequence[Posting]) -> Known:
    """Lock the accounts of the postings, and read what is recorded about them. All locks are taken
    first, so that nothing read after them can change before the commit."""
    in_force = await programs.lock_and_read(connection, {posting.store_id for posting in postings})
    account_keys = {(posting.store_id, posting.customer_id) for posting in postings}
    accounts = await ledger.lock_accounts(connection, account_keys)
    # Most postings are orders: the other kinds are looked for in the rest, not in all postings.
    orders_to_post = {posting.key for posting in postings if isinstance(posting, Order)}
    rest = [posting for posting in postings if not isinstance(posting, Order)]
    reactivated = [
        accounts[change.store_id, change.customer_id]
        for change in rest
        if isinstance(change, StatusChange)
        and not change.suspended
        and (change.store_id, change.customer_id) in accounts
    ]
    orders_to_post.update(posting.key for posting in rest if isinstance(posting, Recheck))
    held_orders = await ledger.read_held_orders(connection, reactivated)
    redemption_ids = {
        posting.redemption_id
        for posting in rest
        if isinstance(posting, Debit | Settlement | Cancellation)
    }
    to_resolve = [posting for posting in rest if isinstance(posting, Resolution)]
    awards = await resolutions.read_awards(
        connection,
        [
            (resolution.store_id, id_)
            for resolution in to_resolve
            for id_ in resolution.transaction_ids
        ],
    )
    refunds = [posting for posting in rest if isinstance(posting, Refund)]
    # Refunds and voids need their orders; orders that are posted now need the refunds waiting for them.
    order_keys = orders_to_post.union(
        ((refund.store_id, refund.order_id) for refund in refunds),
        (award.order for award in awards.values() if award.order is not None),
    )
    orders_to_post |= {order.key for orders in held_orders.values() for order in orders}
    known = Known(
        accounts=accounts,
        programs=in_force,
        orders=await ledger.read_orders(connection, order_keys),
        refunds=await ledger.read_refunds(connection, {refund.key for refund in refunds}),
        waiting_refunds=await ledger.read_waiting_refunds(connection, orders_to_post),
        held_orders=held_orders,
        debits=await debits.read(connection, redemption_ids, accounts.values()),
        resolutions=await resolutions.read(
            connection, [resolution.anomaly_id for resolution in to_resolve], accounts.values()
        ),
        awards=awards,
    )
    new = account_keys - accounts.keys()
    if new and await ledger.lock_accounts(connection, new):
        # An account that does not exist cannot be locked. If this second query finds it, a concurrent
        # transaction created it and may have recorded orders for it. `known` could then contain such an
        # order without its account, and the order would look like another customer's.
        raise ConcurrentWrite
    return known


async def _fold(
    books: Books, requests: Sequence[PostingRequest], stored: StoredResponses
) -> tuple[list[RequestOutcome], NewResponses, list[EncodedEvent]]:
    """A result for each request, the responses to store, and the events to publish. After
    each posting request with more than one posting, the event loop can serve HTTP requests."""
    outcomes: list[RequestOutcome] = []
    new_responses: NewResponses = {}
    events: list[EncodedEvent] = []
    for request in requests:
        first_entry = len(books.entries)
        outcomes.append(_fold_request(books, request, stored, new_responses))
        events += build_events(books.entries[first_entry:], traceparent=request.traceparent)
        if len(request.postings) > 1:
            await asyncio.sleep(0)
    return outcomes, new_responses, events


def _fold_request(
    books: Books, request: PostingRequest, stored: StoredResponses, new_responses: NewResponses
) -> RequestOutcome:
    try:
        response = None if request.claim is None else stored.response_to(request.claim)
        if response is not None and not response.is_in_progress:
            return RequestResult(response=response)
        results = [_post(books, posting) for posting in request.postings]
        response = None if request.render is None else request.render(results)
    except WhaleError as refusal:
        return refusal
    if request.claim is not None:
        if response is not None:
            new_responses[request.claim] = response
        stored.remember(request.claim, response or idempotency.in_progress())
    return RequestResult(results=results, response=response)


def _post(books: Books, posting: Posting) -> Result:
    try:
        return post(books, posting)
    except WhaleError as refusal:
        return refusal
