"""Awards by hand."""

from collections.abc import Sequence

from libs.contracts import api
from libs.kernel.clock import utc_now
from libs.kernel.errors import WhaleError
from libs.persistence.gatherer import Gatherer
from libs.persistence.idempotency import Claim, KeptAnswer
from services.earning.domain.accounts import Entry
from services.earning.domain.postings import Award
from services.earning.handlers import render
from services.earning.handlers.posting import Done, Result, Work


async def earn(
    gatherer: Gatherer[Work, Done], store_id: str, asked: api.EarnRequest, claim: Claim | None
) -> tuple[KeptAnswer, bool]:
    """Post the award; answers it, and whether it is the answer of an earlier request.

    Raises ProgramInactive, AccountSuspended, Conflict or IdempotencyKeyReused.
    """
    award = Award(
        store_id=store_id,
        customer_id=asked.customer_id,
        points=asked.points,
        reason=asked.reason,
        occurred_at=utc_now(),
    )
    done = await gatherer.submit(Work([award], claim, created))
    assert done.answer is not None
    return done.answer, done.replayed


def created(results: Sequence[Result]) -> KeptAnswer:
    """The answer to a single posting: its transaction, or its refusal raised."""
    (result,) = results
    if isinstance(result, WhaleError):
        raise result
    assert isinstance(result, Entry)
    return KeptAnswer(201, api.encode(render.transaction(result)))
