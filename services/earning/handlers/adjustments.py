"""Adjustments: manual corrections of a balance."""

from libs.contracts import api
from libs.kernel.clock import utc_now
from libs.kernel.ids import normalize_customer_id
from libs.persistence.idempotency import StoredResponse
from libs.persistence.writes import Write
from services.earning.domain.adjustments import Adjustment
from services.earning.handlers.own_dates import last_day
from services.earning.handlers.posting import PostingGroup, PostingRequest, Render, submit


async def adjust(
    group_commit: PostingGroup, write: Write[api.AdjustRequest], render: Render
) -> StoredResponse:
    """Post the adjustment. Raises NotFound, InsufficientPoints, Conflict, IdempotencyKeyReused, or
    InvalidRequest for a date out of bounds."""
    adjustment = Adjustment(
        store_id=write.store_id,
        customer_id=normalize_customer_id(write.body.customer_id),
        points=write.body.points,
        reason=write.body.reason,
        occurred_at=utc_now(),
        posted_by=write.caller.key_name,
        last_day=last_day(write.body.expires_on),
    )
    return await submit(group_commit, PostingRequest([adjustment], write.claim, render))
