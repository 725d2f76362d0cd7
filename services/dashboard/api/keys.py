"""The keys as a page, for readers without JavaScript."""

from typing import Any, Final

from litestar import Response, get
from litestar.types import ControllerRouterHandler

from services.dashboard.api.visit import Visit


@get("/keys", operation_id="dashboardKeys")
async def show_keys(visit: Visit) -> Response[Any]:
    """The keys that work everywhere."""
    return await visit.page("pages/keys.html", page="keys")


ROUTES: Final[tuple[ControllerRouterHandler, ...]] = (show_keys,)
