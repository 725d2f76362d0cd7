"""Manual awards, single and in batches."""

from collections.abc import Sequence

import msgspec

from libs.contracts import api
from libs.kernel.clock import utc_now
from libs.kernel.errors import InvalidRequest, WhaleError
from libs.kernel.ids import normalize_customer_id
from libs.persistence.idempotency import StoredResponse
from libs.persistence.writes import Write
from services.earning.domain.awards import Award
from services.earning.handlers.own_dates import last_day
from services.earning.handlers.posting import (
    PostingGroup,
    PostingRequest,
    Render,
    Result,
    submit,
)


async def give_award(
    group_commit: PostingGroup, write: Write[api.EarnRequest], render: Render
) -> StoredResponse:
    """Post the award. Raises ProgramInactive, AccountSuspended, Conflict, IdempotencyKeyReused, or InvalidRequest
    for a date out of bounds."""
    award = _award(write.store_id, write.body, write.caller.key_name)
    return await submit(group_commit, PostingRequest([award], write.claim, render))


async def give_awards(
    group_commit: PostingGroup,
    write: Write[api.EarnBatchRequest],
    items: Sequence[api.EarnRequest | WhaleError],
    render: Render,
) -> StoredResponse:
    """Post the valid `items` of the batch, and render a result for each item, in order: an invalid
    or refused item does not affect the others. Raises IdempotencyKeyReused."""
    awards = [
        _award(write.store_id, item, write.caller.key_name)
        for item in items
        if isinstance(item, api.EarnRequest)
    ]

    def render_items(results: Sequence[Result]) -> StoredResponse:
        posted = iter(results)
        return render(
            [
                item if isinstance(item, WhaleError) else _at_item(place, next(posted))
                for place, item in enumerate(items)
            ]
        )

    request = PostingRequest(awards, write.claim, render_items)
    return await submit(group_commit, request, weight=max(len(awards), 1))


def _at_item(place: int, result: Result) -> Result:
    """The result of an item; what it refuses as invalid is at the item's place in the batch."""
    if not isinstance(result, InvalidRequest):
        return result
    errors = [
        msgspec.structs.replace(fault, pointer=f"#/items/{place}{fault.pointer.removeprefix('#')}")
        for fault in result.errors
        if fault.pointer is not None
    ]
    return InvalidRequest(result.detail, errors=errors)


def _award(store_id: str, request: api.EarnRequest, posted_by: str) -> Award:
    return Award(
        store_id=store_id,
        customer_id=normalize_customer_id(request.customer_id),
        points=request.points,
        reason=request.reason,
        occurred_at=utc_now(),
        posted_by=posted_by,
        last_day=last_day(request.expires_on),
    )
