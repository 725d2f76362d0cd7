"""The routes of redemption, in the shapes of /v1."""

from typing import Final, get_args

from litestar import get, post
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from libs.contracts.rewards import MAX_COST, RedeemRequest, RedemptionStatus
from libs.kernel.errors import Fault, InvalidRequest
from libs.kernel.ids import OTHER_ID
from libs.web import checks, pages
from libs.web.body import Faults, decode
from libs.web.inspection import UNKNOWN, pointer_step
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
from services.redemption.api.resources import resources_of
from services.redemption.handlers import reading, redeeming
from services.redemption.store.reading import RedemptionFilter

_STORE: Final = "/v1/stores/{store_id:str}"
_STATUSES: Final[tuple[str, ...]] = get_args(RedemptionStatus)


@post(f"{_STORE}/loyalty/redeem", operation_id="redeem")
async def redeem(request: AnyRequest, store_id: FromPath[str]) -> Body:
    """Spend points on a reward."""
    write = await read_write(request, store_id, RedeemRequest, _check_redeem)
    response = await redeeming.redeem(
        resources_of(request), store_id, write.body, write.claim, write.caller.request_id
    )
    return stored_body(response)


@get(f"{_STORE}/loyalty/rewards", operation_id="listRewardsForCustomer")
async def list_rewards(request: AnyRequest, store_id: FromPath[str]) -> Body:
    """The rewards, and which of them a customer can have now."""
    faults = Faults()
    query = query_of(request, faults, known=pages.PARAMETERS | {"customer_id", "include"})
    page = pages.page_of(query)
    customer_id = checks.customer_parameter(query, faults)
    include = query.one_of("include", ("all",))
    faults.raise_if_any()
    if customer_id is None:
        detail = "This parameter is required here."
        raise InvalidRequest(detail, errors=[Fault(detail=detail, parameter="customer_id")])
    found = await reading.list_rewards_for(
        resources_of(request),
        store_id,
        customer_id,
        everything=include == "all",
        page=page,
        request_id=caller_of(request).request_id,
    )
    return json_body(pages.page_answer(found))


@get(f"{_STORE}/loyalty/redemptions", operation_id="listRedemptions")
async def list_redemptions(request: AnyRequest, store_id: FromPath[str]) -> Body:
    faults = Faults()
    query = query_of(request, faults, known=pages.PARAMETERS | {"customer_id", "status"})
    page = pages.page_of(query)
    wanted = RedemptionFilter(
        store_id=store_id,
        customer_id=checks.customer_parameter(query, faults),
        status=query.one_of("status", _STATUSES),
    )
    faults.raise_if_any()
    found = await reading.list_redemptions(resources_of(request).slow_reads, wanted, page)
    return json_body(pages.page_answer(found))


@get(f"{_STORE}/loyalty/redemptions/{{redemption_id:str}}", operation_id="getRedemption")
async def get_redemption(
    request: AnyRequest, store_id: FromPath[str], redemption_id: FromPath[str]
) -> Body:
    no_query(request)
    return json_body(
        await reading.get_redemption(resources_of(request).reads, store_id, redemption_id)
    )


@post(
    f"{_STORE}/loyalty/redemptions/{{redemption_id:str}}/cancel",
    operation_id="cancelRedemption",
    status_code=200,
)
async def cancel(
    request: AnyRequest, store_id: FromPath[str], redemption_id: FromPath[str]
) -> Body:
    """Give the points and the reward back."""
    write = write_of_bytes(request, store_id, await _no_members(request))
    response = await redeeming.cancel(
        resources_of(request), store_id, redemption_id, write.claim, write.caller.request_id
    )
    return stored_body(response)


@post(
    f"{_STORE}/loyalty/redemptions/{{redemption_id:str}}/use",
    operation_id="useRedemption",
    status_code=200,
)
async def use(request: AnyRequest, store_id: FromPath[str], redemption_id: FromPath[str]) -> Body:
    """The shop honoured it."""
    write = write_of_bytes(request, store_id, await _no_members(request))
    response = await redeeming.use(resources_of(request), store_id, redemption_id, write.claim)
    return stored_body(response)


def _check_redeem(request: RedeemRequest, faults: Faults) -> None:
    checks.customer_id(request.customer_id, faults, at="#/customer_id")
    if not OTHER_ID.fullmatch(request.reward_id):
        faults.at("#/reward_id", "1-128 characters, none of them a control character")
    if request.points_cost is not None:
        checks.whole(request.points_cost, faults, at="#/points_cost", low=1, high=MAX_COST)


async def _no_members(request: AnyRequest) -> bytes:
    """The body of a request that says nothing in it: none, or an empty object."""
    body = await request.body()
    if body.strip():
        found = decode(body, dict[str, object])
        faults = Faults()
        for name in found:
            faults.at(f"#/{pointer_step(name)}", UNKNOWN)
        faults.raise_if_any()
    return body


ROUTES: Final[tuple[ControllerRouterHandler, ...]] = (
    redeem,
    list_rewards,
    list_redemptions,
    get_redemption,
    cancel,
    use,
)
