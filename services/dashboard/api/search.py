"""The search field of every page: a customer or an order."""

from typing import Any, Final

from litestar import Response, get
from litestar.types import ControllerRouterHandler

from services.dashboard.api.visit import Visit
from services.dashboard.domain.navigation import link
from services.dashboard.handlers.search import find


@get("/search", operation_id="dashboardSearch")
async def search(visit: Visit) -> Response[Any]:
    """Lead to the customer that the text names, else to the list of those whose ids begin with it."""
    text = visit.query("q")
    if not text:
        return await visit.redirect(link("customers"))
    result = await find(visit.client, text)
    if result.order_id is not None:
        address = link("customer", id=result.customer_id, tab="orders", order=result.order_id)
        return await visit.redirect(address)
    if result.customer_id is not None:
        return await visit.redirect(link("customer", id=result.customer_id))
    if result.is_prefix:
        return await visit.redirect(link("customers", query=text))
    return await visit.page("pages/not_found.html", page="customers", status=404, searched=text)


ROUTES: Final[tuple[ControllerRouterHandler, ...]] = (search,)
