"""The route for adjustments of a balance."""

from typing import Final

from litestar import post
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from libs.contracts import api
from libs.web.requests import AnyRequest, Body, read_write, stored_body
from services.earning.api import checks, responses
from services.earning.api.resources import resources_of
from services.earning.handlers import adjustments


@post("/v1/stores/{store_id:str}/loyalty/adjust", operation_id="adjust")
async def adjust(request: AnyRequest, store_id: FromPath[str]) -> Body:
    """Correct a balance; the lifetime stays the same."""
    write = await read_write(request, store_id, api.AdjustRequest, checks.adjust)
    group_commit = resources_of(request).group_commit
    return stored_body(await adjustments.adjust(group_commit, write, responses.created_transaction))


ROUTES: Final[tuple[ControllerRouterHandler, ...]] = (adjust,)
