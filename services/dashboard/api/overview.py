"""The overview."""

from functools import partial
from typing import Any, Final

from litestar import Response, get
from litestar.types import ControllerRouterHandler

from services.dashboard.api.visit import Visit, is_swap
from services.dashboard.domain.buckets import DEFAULT_RANGE, RANGES, Range
from services.dashboard.handlers import overview


@get("/", operation_id="dashboardOverview")
async def show_overview(visit: Visit) -> Response[Any]:
    """What waits, the figures of a range, and the members."""
    view = await _load(visit, _range_of(visit))
    return await visit.page("pages/overview.html", page="overview", view=view, ranges=RANGES)


async def _load(visit: Visit, span: Range) -> overview.Overview:
    """A page is read for its reader, since it follows what they did; its updates are shared."""
    load = partial(overview.load, visit.client, span, visit.now)
    if not is_swap(visit.request):
        return await load()
    question = (visit.session.store_id, visit.session.api_key, "overview", span)
    return await visit.dashboard.shared.get(question, load)


def _range_of(visit: Visit) -> Range:
    name = visit.query("range", DEFAULT_RANGE)
    return next((span for span in RANGES if span == name), DEFAULT_RANGE)


ROUTES: Final[tuple[ControllerRouterHandler, ...]] = (show_overview,)
