"""What people correct by hand: adjustments, and the status of accounts."""

from collections.abc import Sequence

from libs.contracts import api
from libs.kernel.clock import utc_now
from libs.kernel.errors import WhaleError
from libs.kernel.ids import normalized
from libs.persistence.engine import Connection
from libs.persistence.group_commit import GroupCommit
from libs.persistence.idempotency import Claim, StoredResponse
from services.earning.domain.postings import Adjustment, StatusChange, StatusChanged
from services.earning.handlers import reading
from services.earning.handlers.awards import created
from services.earning.handlers.posting import PostingRequest, PostingResult, Result


async def adjust(
    group_commit: GroupCommit[PostingRequest, PostingResult],
    store_id: str,
    asked: api.AdjustRequest,
    claim: Claim | None,
) -> StoredResponse:
    """Post the correction; answers it, and whether it is the answer of an earlier request.

    Raises NotFound, InsufficientPoints, Conflict or IdempotencyKeyReused.
    """
    posting = Adjustment(
        store_id=store_id,
        customer_id=normalized(asked.customer_id),
        points=asked.points,
        reason=asked.reason,
        occurred_at=utc_now(),
    )
    done = await group_commit.submit(PostingRequest([posting], claim, created))
    assert done.answer is not None
    return done.answer


async def change_status(
    group_commit: GroupCommit[PostingRequest, PostingResult],
    wanted: StatusChange,
    claim: Claim | None,
) -> StoredResponse:
    """Suspend or reactivate; held orders post before the account is active. Raises NotFound."""
    while True:
        work = PostingRequest([wanted], claim, finish=_status)
        # Alone in its transaction: the answer is read from what was written, and must not show
        # what another request of the same batch wrote after it.
        done = await group_commit.submit(work, weight=group_commit.max_weight)
        if done.answer is not None:
            return done.answer


async def _status(connection: Connection, results: Sequence[Result]) -> StoredResponse | None:
    """The status as the change leaves it; none while held orders are still to be posted."""
    (result,) = results
    if isinstance(result, WhaleError):
        raise result
    assert isinstance(result, StatusChanged)
    if result.more:
        return None
    key = result.account.key
    status = await reading.read_status(connection, *key)
    return StoredResponse(200, api.encode(status))
