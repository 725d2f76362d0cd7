"""The routes of catalog, in the shapes of /v1."""

from typing import Final

from litestar import delete, get, patch, post
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from libs.contracts import api
from libs.contracts.rewards import RewardCreate, RewardPatch
from libs.kernel.errors import NotFound
from libs.persistence.pages import Listed
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
from services.catalog.api import checks
from services.catalog.api.resources import resources_of
from services.catalog.domain import REWARD_ID, Reward
from services.catalog.handlers import changes, reading, render
from services.catalog.handlers.changes import NO_REWARD, Change
from services.catalog.handlers.listing import Asked

_STORE: Final = "/v1/stores/{store_id:str}"
_REWARD: Final = f"{_STORE}/loyalty/rewards/{{reward_id:str}}"
_LIST_PARAMETERS: Final = pages.PARAMETERS | {"include"}


@get(f"{_STORE}/loyalty/rewards", operation_id="listRewards")
async def list_rewards(request: AnyRequest, store_id: FromPath[str]) -> Body:
    """The rewards that can be had now, or all with `include=all`; oldest first."""
    faults = Faults()
    query = query_of(request, faults, known=_LIST_PARAMETERS)
    page = pages.page_of(query)
    everything = query.one_of("include", ("all",)) is not None
    faults.raise_if_any()
    listing = resources_of(request).listing
    return encoded_body(await listing.get(Asked(store_id, everything, page)))


@post(f"{_STORE}/loyalty/rewards", operation_id="createReward")
async def create_reward(request: AnyRequest, store_id: FromPath[str]) -> Body:
    write = await read_write(request, store_id, RewardCreate, checks.reward_create)
    return await _carry_out(request, changes.creation(write))


@get(_REWARD, operation_id="getReward")
async def get_reward(
    request: AnyRequest, store_id: FromPath[str], reward_id: FromPath[str]
) -> Body:
    no_query(request)
    checked_id(reward_id)
    return json_body(await reading.get_reward(resources_of(request).reads, store_id, reward_id))


@patch(_REWARD, operation_id="updateReward")
async def update_reward(
    request: AnyRequest, store_id: FromPath[str], reward_id: FromPath[str]
) -> Body:
    write = await read_write(request, store_id, RewardPatch, checks.reward_patch)
    checked_id(reward_id)
    return await _carry_out(request, changes.patch(write, reward_id))


@delete(_REWARD, operation_id="deleteReward", status_code=200)
async def delete_reward(
    request: AnyRequest, store_id: FromPath[str], reward_id: FromPath[str]
) -> Body:
    """Retire a reward: it can no longer be had, and its id is never used again."""
    write = write_of_bytes(request, store_id, await request.body())
    checked_id(reward_id)
    return await _carry_out(request, changes.deletion(write, reward_id))


ROUTES: Final[tuple[ControllerRouterHandler, ...]] = (
    list_rewards,
    create_reward,
    get_reward,
    update_reward,
    delete_reward,
)


def encode_page(page: Listed[Reward]) -> bytes:
    """The response with a page of rewards, as it is cached."""
    data = [render.reward(reward) for reward in page.items]
    return api.encode(pages.page_answer(page, data))


def checked_id(reward_id: str) -> None:
    """Raise NotFound for what is no reward's id: the store could not even be asked for some."""
    if not REWARD_ID.fullmatch(reward_id):
        raise NotFound(NO_REWARD)


async def _carry_out(request: AnyRequest, wanted: Change) -> Body:
    response = await changes.carry_out(resources_of(request), wanted)
    return stored_body(response)
