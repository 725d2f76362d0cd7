"""The route for adjustments of a balance."""

from typing import Final

from litestar import post
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from libs.contracts import api
from libs.kernel.clock import utc_now
from libs.kernel.ids import normalized
from libs.web.exchange import AnyRequest, Body, kept_body, write_of
from services.earning.api import checks, responses
from services.earning.api.resources import resources_of
from services.earning.domain.postings import Adjustment
from services.earning.handlers import adjustments


@post("/v1/stores/{store_id:str}/loyalty/adjust", operation_id="adjust")
async def adjust(request: AnyRequest, store_id: FromPath[str]) -> Body:
    """Correct a balance; the lifetime stays the same."""
    body, claim = await write_of(request, store_id, api.AdjustRequest, checks.adjust)
    adjustment = Adjustment(
        store_id=store_id,
        customer_id=normalized(body.customer_id),
        points=body.points,
        reason=body.reason,
        occurred_at=utc_now(),
    )
    response, replayed = await adjustments.adjust(
        resources_of(request).group_commit, adjustment, claim, responses.created_transaction
    )
    return kept_body(response, replayed=replayed)


ROUTES: Final[tuple[ControllerRouterHandler, ...]] = (adjust,)
