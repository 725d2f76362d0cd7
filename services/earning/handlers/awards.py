"""Awards by hand."""

from collections.abc import Sequence

from msgspec import Raw

from libs.contracts import api
from libs.kernel.clock import utc_now
from libs.kernel.errors import WhaleError
from libs.kernel.ids import normalized
from libs.persistence.group_commit import GroupCommit
from libs.persistence.idempotency import Claim, StoredResponse
from libs.web import problems
from services.earning.domain.accounts import Entry
from services.earning.domain.postings import Award
from services.earning.handlers import render
from services.earning.handlers.posting import PostingRequest, PostingResult, Result


async def earn(
    group_commit: GroupCommit[PostingRequest, PostingResult],
    store_id: str,
    asked: api.EarnRequest,
    claim: Claim | None,
) -> StoredResponse:
    """Post the award; answers it, and whether it is the answer of an earlier request.

    Raises ProgramInactive, AccountSuspended, Conflict or IdempotencyKeyReused.
    """
    done = await group_commit.submit(PostingRequest([award_of(store_id, asked)], claim, created))
    assert done.answer is not None
    return done.answer


def award_of(store_id: str, asked: api.EarnRequest) -> Award:
    """The posting that the request asks for, as of now."""
    return Award(
        store_id=store_id,
        customer_id=normalized(asked.customer_id),
        points=asked.points,
        reason=asked.reason,
        occurred_at=utc_now(),
    )


def created(results: Sequence[Result]) -> StoredResponse:
    """The answer to a single posting: its transaction, or its refusal raised."""
    (result,) = results
    if isinstance(result, WhaleError):
        raise result
    assert isinstance(result, Entry)
    return StoredResponse(201, api.encode(render.transaction(result)))


async def earn_batch(
    group_commit: GroupCommit[PostingRequest, PostingResult],
    items: Sequence[Award | WhaleError],
    claim: Claim | None,
    request_id: str,
) -> StoredResponse:
    """Post the awards among `items`; answers a verdict for each, in order. One that is refused, or
    was faulty to begin with, costs the others nothing."""
    awards = [item for item in items if isinstance(item, Award)]

    def render_verdicts(results: Sequence[Result]) -> StoredResponse:
        posted = iter(results)
        settled = [next(posted) if isinstance(item, Award) else item for item in items]
        data = [_verdict(result, request_id) for result in settled]
        return StoredResponse(200, api.encode(api.BatchAnswer(data=data)))

    work = PostingRequest(awards, claim, render_verdicts)
    done = await group_commit.submit(work, weight=max(len(awards), 1))
    assert done.answer is not None
    return done.answer


def _verdict(result: Result, request_id: str) -> api.Verdict:
    if isinstance(result, WhaleError):
        problem = Raw(problems.body_of(result, request_id))
        return api.Verdict(status=problems.status_of(result), problem=problem)
    assert isinstance(result, Entry)
    return api.Verdict(status=201, transaction=render.transaction(result))
