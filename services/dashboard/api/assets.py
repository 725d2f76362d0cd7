"""The style sheet, the scripts and the icon."""

from typing import Any, Final

from litestar import Response, get
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from libs.kernel.errors import NotFound
from libs.web.asset_files import asset_response
from services.dashboard.api.resources import PageRequest, dashboard_of


@get("/assets/{name:str}", operation_id="dashboardAsset")
async def serve_asset(request: PageRequest, name: FromPath[str]) -> Response[Any]:
    """A file under its name with the hash; nobody has to be signed in."""
    asset = dashboard_of(request).assets.find(name)
    if asset is None:
        raise NotFound("There is no such file.")
    return asset_response(asset, request.headers.get("Accept-Encoding", ""))


ROUTES: Final[tuple[ControllerRouterHandler, ...]] = (serve_asset,)
