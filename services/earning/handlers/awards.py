"""Manual awards, single and in batches."""

from collections.abc import Sequence

from libs.kernel.errors import WhaleError
from libs.persistence.idempotency import Claim, KeptAnswer
from services.earning.domain.postings import Award
from services.earning.handlers.posting import (
    PostingGroup,
    PostingRequest,
    Render,
    Result,
    submit,
)


async def give_award(
    group_commit: PostingGroup, award: Award, claim: Claim | None, render: Render
) -> tuple[KeptAnswer, bool]:
    """Post the award; returns its response and whether it is replayed.

    Raises ProgramInactive, AccountSuspended, Conflict or IdempotencyKeyReused.
    """
    return await submit(group_commit, PostingRequest([award], claim, render))


async def give_awards(
    group_commit: PostingGroup,
    items: Sequence[Award | WhaleError],
    claim: Claim | None,
    render: Render,
) -> tuple[KeptAnswer, bool]:
    """Post the awards among `items`, and render a result for each item, in order. An invalid or
    refused item does not affect the others. Raises IdempotencyKeyReused."""
    awards = [item for item in items if isinstance(item, Award)]

    def render_items(results: Sequence[Result]) -> KeptAnswer:
        posted = iter(results)
        return render([next(posted) if isinstance(item, Award) else item for item in items])

    request = PostingRequest(awards, claim, render_items)
    return await submit(group_commit, request, weight=max(len(awards), 1))
