"""The routes that other services call."""

from typing import Final

from litestar import get
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from libs.web.requests import AnyRequest, Body, json_body
from services.catalog.api.resources import resources_of
from services.catalog.api.routes import check_id
from services.catalog.handlers import rewards


@get("/internal/stores/{store_id:str}/rewards/{reward_id:str}")
async def get_reward(
    request: AnyRequest, store_id: FromPath[str], reward_id: FromPath[str]
) -> Body:
    """The current version as its event has it, also that of a deleted reward."""
    check_id(reward_id)
    return json_body(
        await rewards.get_version(resources_of(request).read_engine, store_id, reward_id)
    )


ROUTES: Final[tuple[ControllerRouterHandler, ...]] = (get_reward,)
