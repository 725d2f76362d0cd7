"""The routes of catalog, in the shapes of /v1."""

from typing import Final

from litestar import delete, get, patch, post
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from libs.contracts.rewards import RewardCreate, RewardPatch
from libs.kernel.errors import NotFound
from libs.web import pages
from libs.web.body import Faults
from libs.web.requests import (
    AnyRequest,
    Body,
    encoded_body,
    json_body,
    no_query,
    query_of,
    read_write,
    stored_body,
    write_of_bytes,
)
from services.catalog.api import checks, responses
from services.catalog.api.resources import resources_of
from services.catalog.domain import REWARD_ID
from services.catalog.handlers import reward_changes, rewards
from services.catalog.handlers.reward_pages import PageRequest
from services.catalog.handlers.rewards import NOT_FOUND

_STORE: Final = "/v1/stores/{store_id:str}"
_REWARD: Final = f"{_STORE}/loyalty/rewards/{{reward_id:str}}"
_LIST_PARAMETERS: Final = pages.PARAMETERS | {"include"}


@get(f"{_STORE}/loyalty/rewards", operation_id="listRewards")
async def list_rewards(request: AnyRequest, store_id: FromPath[str]) -> Body:
    """The rewards that are available now, or all with `include=all`; oldest first."""
    faults = Faults()
    query = query_of(request, faults, known=_LIST_PARAMETERS)
    page = pages.page_of(query)
    include_all = query.one_of("include", ("all",)) is not None
    faults.raise_if_any()
    body = await resources_of(request).pages.get(PageRequest(store_id, include_all, page))
    return encoded_body(body)


@post(f"{_STORE}/loyalty/rewards", operation_id="createReward")
async def create_reward(request: AnyRequest, store_id: FromPath[str]) -> Body:
    """Create a reward."""
    write = await read_write(request, store_id, RewardCreate, checks.reward_create)
    change = reward_changes.creation(write)
    return stored_body(
        await reward_changes.carry_out(resources_of(request), change, responses.created)
    )


@get(_REWARD, operation_id="getReward")
async def get_reward(
    request: AnyRequest, store_id: FromPath[str], reward_id: FromPath[str]
) -> Body:
    """One reward."""
    no_query(request)
    check_id(reward_id)
    reward = await rewards.get(resources_of(request).read_engine, store_id, reward_id)
    return json_body(responses.reward(reward))


@patch(_REWARD, operation_id="updateReward")
async def update_reward(
    request: AnyRequest, store_id: FromPath[str], reward_id: FromPath[str]
) -> Body:
    """Change a reward."""
    write = await read_write(request, store_id, RewardPatch, checks.reward_patch)
    check_id(reward_id)
    change = reward_changes.update(write, reward_id)
    return stored_body(
        await reward_changes.carry_out(resources_of(request), change, responses.updated)
    )


@delete(_REWARD, operation_id="deleteReward", status_code=200)
async def delete_reward(
    request: AnyRequest, store_id: FromPath[str], reward_id: FromPath[str]
) -> Body:
    """Delete a reward: it is no longer available, and its id is never used again."""
    write = write_of_bytes(request, store_id, await request.body())
    check_id(reward_id)
    change = reward_changes.deletion(write, reward_id)
    return stored_body(
        await reward_changes.carry_out(resources_of(request), change, responses.deleted)
    )


@get(f"{_REWARD}/versions", operation_id="listRewardVersions")
async def list_versions(
    request: AnyRequest, store_id: FromPath[str], reward_id: FromPath[str]
) -> Body:
    """The versions of a reward, newest first."""
    faults = Faults()
    page = pages.page_of(query_of(request, faults, known=pages.PARAMETERS))
    faults.raise_if_any()
    check_id(reward_id)
    listed = await rewards.list_versions(
        resources_of(request).read_engine, store_id, reward_id, page
    )
    return json_body(pages.page_body(listed, [responses.version(item) for item in listed.items]))


ROUTES: Final[tuple[ControllerRouterHandler, ...]] = (
    list_rewards,
    create_reward,
    get_reward,
    update_reward,
    delete_reward,
    list_versions,
)


def check_id(reward_id: str) -> None:
    """Raise NotFound for text that cannot be a reward's id: some of it the database does not take."""
    if not REWARD_ID.fullmatch(reward_id):
        raise NotFound(NOT_FOUND)
