"""The only path that changes balances: a batch of postings in one transaction."""

import itertools
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Sequence

from msgspec import field
from sqlalchemy.ext.asyncio import AsyncEngine

from libs.kernel.errors import WhaleError
from libs.kernel.ids import uuid7_text
from libs.messaging import outbox
from libs.observability import tracing
from libs.persistence import batch as batches
from libs.persistence import stored_responses
from libs.persistence.batch import BatchRequest, RequestOutcome, RequestResult
from libs.persistence.engine import Connection
from libs.persistence.errors import ConcurrentWrite
from libs.persistence.group_commit import GroupCommit
from libs.persistence.idempotency import StoredResponse
from libs.persistence.rows import copy
from libs.persistence.stored_responses import StoredResponses
from services.earning.domain.accounts import Account, AccountKey
from services.earning.domain.batch import LedgerBatch
from services.earning.domain.postings import Outcome, Posting
from services.earning.handlers import ledger_events
from services.earning.handlers.posting_kinds import KINDS, post
from services.earning.store import accounts, days, lifecycles, pending_awards, programs

Result = Outcome | WhaleError

Render = Callable[[Sequence[Result]], StoredResponse]
ReadAccounts = Callable[[Connection, Collection[AccountKey]], Awaitable[accounts.Accounts]]

RenderAfterWrite = Callable[[Connection, Sequence[Result]], Awaitable[StoredResponse | None]]


class PostingRequest(BatchRequest[Posting, Result], frozen=True):
    """Postings that share one response, with a `Result` for each. `traceparent` is that of the HTTP
    request."""

    traceparent: str = field(default_factory=tracing.current)


PostingGroup = GroupCommit[PostingRequest, RequestResult]


async def submit(
    group_commit: PostingGroup, request: PostingRequest, *, weight: int = 1
) -> StoredResponse:
    """Post `request` together with concurrent ones, and return its response."""
    result = await group_commit.submit(request, weight=weight)
    assert result.response is not None
    return result.response


async def post_batch(
    engine: AsyncEngine,
    requests: Sequence[PostingRequest],
    *,
    optimistic: bool = False,
    dry_run: bool = False,
) -> list[RequestOutcome]:
    """Post all `requests` in one transaction, in order; returns a result or refusal for each.

    A refusal does not affect the other requests. Raises database errors; then nothing was posted. With
    `dry_run`, the outcomes are the same and nothing is posted.

    `optimistic` is for orders that rarely meet another batch with the same customers: the first attempt
    locks no account. If an account was changed before it is written, the next attempt locks.
    """
    attempts = itertools.count()

    async def load_attempt(
        connection: Connection, requests: Sequence[PostingRequest]
    ) -> tuple[LedgerBatch, StoredResponses]:
        is_first = next(attempts) == 0
        read = accounts.read if optimistic and is_first else accounts.lock
        return await load(connection, requests, read)

    return await batches.run(
        engine, requests, load=load_attempt, apply=_apply, write=write, dry_run=dry_run
    )


async def load(
    connection: Connection, requests: Sequence[PostingRequest], read: ReadAccounts
) -> tuple[LedgerBatch, StoredResponses]:
    """Read the accounts of the postings with `read`, which locks them or not, and what is recorded about
    them. Nothing that is read later can change before the commit unless its account does."""
    postings = [posting for request in requests for posting in request.commands]
    in_force = await programs.lock_and_read(connection, {posting.store_id for posting in postings})
    keys = {(posting.store_id, posting.customer_id) for posting in postings}
    existing = await read(connection, keys)
    new = keys - existing.keys()
    batch = LedgerBatch(
        new_id=uuid7_text,
        programs=in_force,
        accounts=existing | await _new_accounts(connection, new),
    )
    by_command: defaultdict[type, list[Posting]] = defaultdict(list)
    for posting in postings:
        by_command[type(posting)].append(posting)
    for kind in reversed(KINDS):
        if kind.load is not None:
            of_kind = [posting for command in kind.rules for posting in by_command[command]]
            await kind.load(connection, batch, of_kind)
    await lifecycles.load(connection, batch, by_command)
    if new and not new.isdisjoint(await read(connection, new)):
        # An account that does not exist cannot be locked. If this second query finds it, a concurrent
        # transaction created it and may have recorded orders for it. The batch could then contain such an
        # order without its account, and the order would look like another customer's.
        raise ConcurrentWrite
    claims = [request.claim for request in requests if request.claim is not None]
    return batch, await stored_responses.find(connection, claims)


async def _new_accounts(
    connection: Connection, keys: Collection[AccountKey]
) -> dict[AccountKey, Account]:
    """Empty accounts for customers who have none yet."""
    ids = await accounts.draw_ids(connection, len(keys))
    return {
        key: Account(store_id=key[0], customer_id=key[1], id=id_)
        for key, id_ in zip(keys, ids, strict=True)
    }


def _apply(
    batch: LedgerBatch, request: PostingRequest, _earlier: StoredResponse | None
) -> list[Result]:
    batch.trace(request.traceparent)
    results: list[Result] = []
    for posting in request.commands:
        try:
            results.append(post(batch, posting))
        except WhaleError as refusal:
            # Its traceback refers to this frame, and so to the results, and to the batch.
            results.append(refusal.with_traceback(None))
    return results


async def write(connection: Connection, batch: LedgerBatch) -> None:
    """Write the accounts, entries and records of a batch, with the same number of statements whatever
    its size. Raises ConcurrentWrite if a concurrent transaction was first."""
    lifecycles.encode_cycles(batch)
    await days.settle(connection, batch)
    await accounts.write(connection, batch.accounts_to_write.values())
    await copy(connection, "entries", batch.entries)
    for kind in KINDS:
        if kind.save is not None:
            await kind.save(connection, batch)
    await pending_awards.save(connection, batch)
    await days.add(connection, batch.days)
    # After the account locks, so that each account's events are published in the order of commits.
    await outbox.append_payload(
        connection,
        ledger_events.pack(batch),
        events=len(batch.entries) + len(batch.tier_changes) + len(batch.reminders),
    )
