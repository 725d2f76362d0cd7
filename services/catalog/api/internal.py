"""The routes that our own services call."""

from typing import Final

from litestar import get
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from libs.web.requests import AnyRequest, Body, json_body
from services.catalog.api.resources import resources_of
from services.catalog.api.routes import checked_id
from services.catalog.handlers import reading


@get("/internal/stores/{store_id:str}/rewards/{reward_id:str}")
async def get_reward(
    request: AnyRequest, store_id: FromPath[str], reward_id: FromPath[str]
) -> Body:
    """The reward as its last event has it, also a deleted one."""
    checked_id(reward_id)
    found = await reading.version_in_force(resources_of(request).reads, store_id, reward_id)
    return json_body(found)


ROUTES: Final[tuple[ControllerRouterHandler, ...]] = (get_reward,)
