"""The routes of redemption, in the shapes of /v1."""

from typing import Final, get_args

from litestar import get, post
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler
from msgspec import Struct

from libs.contracts.rewards import (
    MAX_CODE,
    MAX_COST,
    RedeemRequest,
    RedemptionStatus,
    UseRequest,
)
from libs.kernel.ids import OTHER_ID
from libs.kernel.wording import REQUIRED
from libs.web import checks, pages
from libs.web.body import Faults, decode
from libs.web.requests import (
    AnyRequest,
    Body,
    caller_of,
    json_body,
    no_query,
    query_of,
    read_write,
    stored_body,
    write_of_bytes,
)
from services.redemption.api import responses
from services.redemption.api.resources import resources_of
from services.redemption.handlers import redemptions, rewards
from services.redemption.store.redemptions import RedemptionFilter

_STORE: Final = "/v1/stores/{store_id:str}"
_REDEMPTION: Final = f"{_STORE}/loyalty/redemptions/{{redemption_id:str}}"
_LIST_PARAMETERS: Final = pages.PARAMETERS | {"customer_id", "status", "code", "reward_id"}
_STATUSES: Final[tuple[str, ...]] = get_args(RedemptionStatus)


@post(f"{_STORE}/loyalty/redeem", operation_id="redeem")
async def redeem(request: AnyRequest, store_id: FromPath[str]) -> Body:
    """Spend points on a reward."""
    write = await read_write(request, store_id, RedeemRequest, check_redeem)
    response = await redemptions.redeem(resources_of(request), write, responses.redeem_response)
    return stored_body(response)


@get(f"{_STORE}/loyalty/rewards", operation_id="listRewardsForCustomer")
async def list_rewards(request: AnyRequest, store_id: FromPath[str]) -> Body:
    """The rewards, and which of them a customer can redeem now."""
    faults = Faults()
    query = query_of(request, faults, known=pages.PARAMETERS | {"customer_id", "include"})
    page = pages.page_of(query)
    customer_id = checks.customer_parameter(query, faults)
    include = query.one_of("include", ("all",))
    if query.text("customer_id") is None:
        faults.parameter("customer_id", REQUIRED)
    faults.raise_if_any()
    assert customer_id is not None
    offers = await rewards.list_offers(
        resources_of(request),
        store_id,
        customer_id,
        include_all=include == "all",
        page=page,
        caller=caller_of(request),
    )
    return json_body(pages.page_body(offers, [responses.offer(offer) for offer in offers.items]))


@get(f"{_STORE}/loyalty/redemptions", operation_id="listRedemptions")
async def list_redemptions(request: AnyRequest, store_id: FromPath[str]) -> Body:
    """The redemptions of the store, newest first."""
    faults = Faults()
    query = query_of(request, faults, known=_LIST_PARAMETERS)
    page = pages.page_of(query)
    criteria = RedemptionFilter(
        store_id=store_id,
        customer_id=checks.customer_parameter(query, faults),
        status=query.one_of("status", _STATUSES),
        code=query.text("code"),
        reward_id=checks.id_parameter("reward_id", query, faults),
    )
    faults.raise_if_any()
    result = await redemptions.list_page(resources_of(request), criteria, page, caller_of(request))
    data = [responses.redemption(redemption) for redemption in result.items]
    return json_body(pages.page_body(result, data))


@get(_REDEMPTION, operation_id="getRedemption")
async def get_redemption(
    request: AnyRequest, store_id: FromPath[str], redemption_id: FromPath[str]
) -> Body:
    """One redemption."""
    no_query(request)
    result = await redemptions.get(
        resources_of(request), store_id, redemption_id, caller_of(request)
    )
    return json_body(responses.redemption(result))


@post(f"{_REDEMPTION}/cancel", operation_id="cancelRedemption", status_code=200)
async def cancel(
    request: AnyRequest, store_id: FromPath[str], redemption_id: FromPath[str]
) -> Body:
    """Return the points to the customer and the reward to its stock."""
    write = write_of_bytes(request, store_id, await _empty_body(request))
    response = await redemptions.cancel(
        resources_of(request), write, redemption_id, responses.redemption_response
    )
    return stored_body(response)


@post(f"{_REDEMPTION}/use", operation_id="useRedemption", status_code=200)
async def use(request: AnyRequest, store_id: FromPath[str], redemption_id: FromPath[str]) -> Body:
    """Record that the shop fulfilled the redemption."""
    write = write_of_bytes(request, store_id, await _empty_body(request))
    response = await redemptions.use(
        resources_of(request), write, redemption_id, responses.redemption_response
    )
    return stored_body(response)


@post(f"{_STORE}/loyalty/redemptions/use", operation_id="useRedemptionByCode", status_code=200)
async def use_code(request: AnyRequest, store_id: FromPath[str]) -> Body:
    """The same for the redemption with a code, which is what a customer shows."""
    write = await read_write(request, store_id, UseRequest, check_use)
    response = await redemptions.use_code(
        resources_of(request), write, responses.redemption_response
    )
    return stored_body(response)


def check_use(request: UseRequest, faults: Faults) -> None:
    """The bounds of a code; whether it is one shows only in the response."""
    checks.text(request.code, faults, at="#/code", longest=MAX_CODE)


def check_redeem(request: RedeemRequest, faults: Faults) -> None:
    """The bounds of a redemption."""
    checks.customer_id(request.customer_id, faults, at="#/customer_id")
    if not OTHER_ID.fullmatch(request.reward_id):
        faults.at("#/reward_id", checks.OTHER_ID_RULE)
    if request.points_cost is not None:
        checks.whole(request.points_cost, faults, at="#/points_cost", low=1, high=MAX_COST)


class _NoFields(Struct, forbid_unknown_fields=True):
    """The body of a request that takes no fields."""


async def _empty_body(request: AnyRequest) -> bytes:
    """The body of a request that takes no fields: it is absent or an empty object."""
    body = await request.body()
    if body.strip():
        decode(body, _NoFields)
    return body


ROUTES: Final[tuple[ControllerRouterHandler, ...]] = (
    redeem,
    list_rewards,
    list_redemptions,
    get_redemption,
    cancel,
    use,
    use_code,
)
