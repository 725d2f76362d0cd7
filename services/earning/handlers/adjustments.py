"""Adjustments: manual corrections of a balance."""

from libs.persistence.idempotency import Claim, KeptAnswer
from services.earning.domain.postings import Adjustment
from services.earning.handlers.posting import PostingGroup, PostingRequest, Render, submit


async def adjust(
    group_commit: PostingGroup, adjustment: Adjustment, claim: Claim | None, render: Render
) -> tuple[KeptAnswer, bool]:
    """Post the adjustment; returns its response and whether it is replayed.

    Raises NotFound, InsufficientPoints, Conflict or IdempotencyKeyReused.
    """
    return await submit(group_commit, PostingRequest([adjustment], claim, render))
