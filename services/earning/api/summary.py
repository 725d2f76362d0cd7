"""The route for a store's summary."""

from datetime import date, timedelta
from typing import Final

from litestar import get
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from libs.web.body import Faults
from libs.web.requests import AnyRequest, Body, json_body, query_of
from services.earning.api import responses
from services.earning.api.resources import resources_of


@get("/v1/stores/{store_id:str}/loyalty/summary", operation_id="getSummary")
async def get_summary(request: AnyRequest, store_id: FromPath[str]) -> Body:
    """The store's days and totals, by default of the last 30 days."""
    faults = Faults()
    query = query_of(request, faults, known=frozenset({"from", "to"}))
    last = query.date("to") or (await resources_of(request).clocks.now(store_id)).date()
    # 30 days, or fewer if `to` is close to the first date that Python knows.
    first = query.date("from") or last - min(timedelta(days=29), last - date.min)
    if first > last:
        faults.parameter("from", "must not be after `to`")
    faults.raise_if_any()
    summary = await resources_of(request).summaries.get(store_id, first=first, last=last)
    return json_body(responses.summary(summary))


ROUTES: Final[tuple[ControllerRouterHandler, ...]] = (get_summary,)
