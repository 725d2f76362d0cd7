"""The overview."""

from typing import Any, Final

from litestar import Response, get
from litestar.types import ControllerRouterHandler

from services.dashboard.api.visit import Visit
from services.dashboard.domain.buckets import DEFAULT_RANGE, RANGES, Range
from services.dashboard.handlers import overview


@get("/", operation_id="dashboardOverview")
async def show_overview(visit: Visit) -> Response[Any]:
    """What waits, the figures of a range, and the members."""
    view = await overview.load(visit.client, _range_of(visit), visit.now)
    return await visit.page("pages/overview.html", page="overview", view=view, ranges=RANGES)


def _range_of(visit: Visit) -> Range:
    name = visit.query("range", DEFAULT_RANGE)
    return next((span for span in RANGES if span == name), DEFAULT_RANGE)


ROUTES: Final[tuple[ControllerRouterHandler, ...]] = (show_overview,)
