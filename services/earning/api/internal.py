"""The routes that our own services call."""

from typing import Final

from litestar import post
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from libs.contracts import internal
from libs.web.body import decode
from libs.web.requests import AnyRequest, Body, json_body, stored_body
from services.earning.api.resources import resources_of
from services.earning.handlers import redemptions

_STORE: Final = "/internal/stores/{store_id:str}"


@post(f"{_STORE}/debits", status_code=200)
async def debit(request: AnyRequest, store_id: FromPath[str]) -> Body:
    asked = decode(await request.body(), internal.DebitRequest)
    answer = await redemptions.debit(resources_of(request).group_commit, store_id, asked)
    return stored_body(answer)


@post(f"{_STORE}/settlements", status_code=200)
async def settle(request: AnyRequest, store_id: FromPath[str]) -> Body:
    asked = decode(await request.body(), internal.RedemptionRequest)
    answer = await redemptions.settle(resources_of(request).group_commit, store_id, asked)
    return stored_body(answer)


@post(f"{_STORE}/cancellations", status_code=200)
async def cancel(request: AnyRequest, store_id: FromPath[str]) -> Body:
    asked = decode(await request.body(), internal.RedemptionRequest)
    answer = await redemptions.cancel(resources_of(request).group_commit, store_id, asked)
    return stored_body(answer)


@post(f"{_STORE}/price-checks", status_code=200)
async def check_prices(request: AnyRequest, store_id: FromPath[str]) -> Body:
    asked = decode(await request.body(), internal.PriceCheck)
    return json_body(await redemptions.check_prices(resources_of(request).reads, store_id, asked))


ROUTES: Final[tuple[ControllerRouterHandler, ...]] = (debit, settle, cancel, check_prices)
