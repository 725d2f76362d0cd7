"""The one posting path: whatever changes a balance goes through here, in one transaction a batch."""

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
from libs.persistence.idempotency import Claim, StoredResponse, StoredResponses
from libs.persistence.retry import retry_lost_race
from services.earning.domain.books import Books, Known
from services.earning.domain.posting import post
from services.earning.domain.postings import (
    Cancellation,
    Debit,
    Order,
    Outcome,
    Posting,
    Refund,
    Resolution,
    Settlement,
    StatusChange,
)
from services.earning.handlers.events import events_of
from services.earning.store import debits, ledger, programs

Result = Outcome | WhaleError
# What is to be kept under the keys of a batch.
Fresh = dict[Claim, StoredResponse]

Finish = Callable[[Connection, Sequence[Result]], Awaitable[StoredResponse | None]]


class PostingRequest(Struct, frozen=True):
    """Postings that are answered together.

    `render` makes the answer, of the results alone; `finish` makes it where it takes a look at what
    was written, or returns None where more transactions are to follow. Either may raise, and then
    the answer is a refusal. With a `claim` the answer is kept under its key, in the same
    transaction; one without an answer yet claims the key with its first transaction.
    `traceparent` is that of the request it is made for.
    """

    postings: Sequence[Posting]
    claim: Claim | None = None
    render: Callable[[Sequence[Result]], StoredResponse] | None = None
    finish: Finish | None = None
    traceparent: str = field(default_factory=tracing.current)


class PostingResult(Struct, frozen=True):
    """What came of a work: a result for each posting, or the answer kept under its key."""

    results: Sequence[Result] = ()
    answer: StoredResponse | None = None
    replayed: bool = False


async def post_batch(
    engine: AsyncEngine, works: Sequence[PostingRequest]
) -> list[PostingResult | Exception]:
    """Post all of `works` in one transaction, in order, and answer each.

    A refusal is a result and costs the others nothing. Raises what the database raises; then
    nothing was posted.
    """
    return await retry_lost_race(partial(_attempt, engine, works))


async def _attempt(
    engine: AsyncEngine, works: Sequence[PostingRequest]
) -> list[PostingResult | Exception]:
    postings = [posting for work in works for posting in work.postings]
    async with transaction(engine) as connection:
        books = Books(await _read(connection, postings), new_id=uuid7_text)
        kept = await idempotency.find(
            connection, [work.claim for work in works if work.claim is not None]
        )
        claimed_before = frozenset(kept.responses)
        done, fresh, events = _fold(books, works, kept)
        await ledger.write(connection, books, events)
        for place, work in enumerate(works):
            if work.finish is not None:
                done[place] = await _finish(connection, work, done[place], kept, fresh)
        await _keep(connection, fresh, claimed_before)
    return done


async def _finish(
    connection: Connection,
    work: PostingRequest,
    done: PostingResult | Exception,
    kept: StoredResponses,
    fresh: Fresh,
) -> PostingResult | Exception:
    """Answer a work that looks at what was written; what to keep under its key goes into `fresh`."""
    if isinstance(done, Exception) or done.replayed or work.finish is None:
        return done
    # A duplicate in the same batch may have been answered by now.
    before = None if work.claim is None else kept.response_to(work.claim)
    if before is not None and not before.is_in_progress:
        return PostingResult(answer=before, replayed=True)
    try:
        answer = await work.finish(connection, done.results)
    except WhaleError as refusal:
        return refusal
    if work.claim is not None:
        fresh[work.claim] = answer or idempotency.in_progress()
        kept.remember(work.claim, fresh[work.claim])
    return PostingResult(results=done.results, answer=answer)


async def _keep(
    connection: Connection, fresh: Fresh, claimed_before: frozenset[tuple[str, str]]
) -> None:
    """Keep the answers. A key that was claimed before this batch has its answer only now."""
    claimed = {claim for claim in fresh if (claim.store_id, claim.key) in claimed_before}
    answered = [claim for claim in claimed if not fresh[claim].is_in_progress]
    await idempotency.release(connection, [(one.store_id, one.key, b"") for one in answered])
    await idempotency.store(
        connection,
        [
            (claim, answer)
            for claim, answer in fresh.items()
            if claim not in claimed or not answer.is_in_progress
        ],
    )


async def _read(connection: Connection, postings: Sequence[Posting]) -> Known:
    """Lock what the postings touch, and read what is recorded of it. The locks come first, in an
    order of their own, so that what is read after them cannot change before the commit."""
    in_force = await programs.lock_and_read(connection, {one.store_id for one in postings})
    wanted = {(one.store_id, one.customer_id) for one in postings}
    accounts = await ledger.lock_accounts(connection, wanted)
    # A batch is mostly orders; what else it holds is looked through once for each kind.
    posting_now = {one.key for one in postings if isinstance(one, Order)}
    others = [one for one in postings if not isinstance(one, Order)]
    # Refunds look for their orders; orders, and held ones that post now, for their refunds.
    reopened = [
        accounts[one.store_id, one.customer_id]
        for one in others
        if isinstance(one, StatusChange)
        and not one.suspended
        and (one.store_id, one.customer_id) in accounts
    ]
    held = await ledger.read_held(connection, reopened)
    redemptions = {
        one.redemption_id for one in others if isinstance(one, Debit | Settlement | Cancellation)
    }
    resolutions = [one for one in others if isinstance(one, Resolution)]
    awards = await debits.read_awards(
        connection,
        [(one.store_id, award) for one in resolutions for award in one.transaction_ids],
    )
    refunds = [one for one in others if isinstance(one, Refund)]
    asked = posting_now.union(
        ((one.store_id, one.order_id) for one in refunds),
        (award.order for award in awards.values() if award.order is not None),
    )
    posting_now |= {one.key for orders in held.values() for one in orders}
    known = Known(
        accounts=accounts,
        programs=in_force,
        orders=await ledger.read_orders(connection, asked),
        refunds=await ledger.read_refunds(connection, {one.key for one in refunds}),
        waiting=await ledger.read_waiting(connection, posting_now),
        held=held,
        debits=await debits.read_debits(connection, redemptions, accounts.values()),
        resolutions=await debits.read_resolutions(
            connection, [one.anomaly_id for one in resolutions], accounts.values()
        ),
        awards=awards,
    )
    new = wanted - accounts.keys()
    if new and await ledger.lock_accounts(connection, new):
        # No lock can be held on an account that does not exist. One that exists by now was created
        # by a transaction whose orders may have been read above as another customer's.
        raise ConcurrentWrite
    return known


def _fold(
    books: Books, works: Sequence[PostingRequest], kept: StoredResponses
) -> tuple[list[PostingResult | Exception], Fresh, list[EncodedEvent]]:
    """What came of each work, the answers to keep, and the events to publish."""
    done: list[PostingResult | Exception] = []
    fresh: Fresh = {}
    events: list[EncodedEvent] = []
    for work in works:
        before_it = len(books.entries)
        done.append(_settle(books, work, kept, fresh))
        events += events_of(books.entries[before_it:], traceparent=work.traceparent)
    return done, fresh, events


def _settle(
    books: Books, work: PostingRequest, kept: StoredResponses, fresh: Fresh
) -> PostingResult | Exception:
    """One work's outcome; an answer to be kept goes into `fresh`."""
    try:
        before = None if work.claim is None else kept.response_to(work.claim)
        if before is not None and not before.is_in_progress:
            return PostingResult(answer=before, replayed=True)
        results = [_post(books, posting) for posting in work.postings]
        answer = None if work.render is None else work.render(results)
    except WhaleError as refusal:
        return refusal
    if work.claim is not None and answer is not None:
        fresh[work.claim] = answer
    if work.claim is not None:
        kept.remember(work.claim, answer or idempotency.in_progress())
    return PostingResult(results=results, answer=answer)


def _post(books: Books, posting: Posting) -> Result:
    try:
        return post(books, posting)
    except WhaleError as refusal:
        return refusal
