"""Routes for orders and refunds: listed, pending points released, and skipped orders checked again."""

from collections.abc import Sequence
from functools import partial
from typing import Any, Final, get_args

from litestar import get, post
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler
from msgspec import Raw

from libs.contracts import api, order_api
from libs.kernel.errors import WhaleError
from libs.persistence.idempotency import StoredResponse
from libs.web import checks as shared
from libs.web import pages, problems
from libs.web.body import Faults
from libs.web.requests import AnyRequest, Body, json_body, query_of, read_write, stored_body
from services.earning.api import checks, order_responses, responses
from services.earning.api.resources import resources_of
from services.earning.handlers import orders, rechecks, refunds, releases
from services.earning.handlers.orders import Criteria
from services.earning.handlers.rechecks import OrderResult
from services.earning.store.refunds import RefundFilter

_STORE: Final = "/v1/stores/{store_id:str}/loyalty"


@get(f"{_STORE}/orders", operation_id="listOrders")
async def list_orders(request: AnyRequest, store_id: FromPath[str]) -> Body:
    faults = Faults()
    known = pages.PARAMETERS | {"customer_id", "order_id", "state"}
    query = query_of(request, faults, known=known)
    page = pages.page_of(query)
    criteria = Criteria(
        store_id=store_id,
        customer_id=shared.customer_parameter(query, faults),
        order_id=shared.order_parameter(query, faults),
        state=query.one_of("state", get_args(api.OrderStateFilter)),  # type: ignore[arg-type]  # checked
    )
    faults.raise_if_any()
    listed = await orders.list_orders(resources_of(request).slow_reads, criteria, page)
    return json_body(
        pages.page_body(listed, [order_responses.order(order) for order in listed.items])
    )


@get(f"{_STORE}/refunds", operation_id="listRefunds")
async def list_refunds(request: AnyRequest, store_id: FromPath[str]) -> Body:
    faults = Faults()
    known = pages.PARAMETERS | {"customer_id", "order_id", "state"}
    query = query_of(request, faults, known=known)
    page = pages.page_of(query)
    filter_ = RefundFilter(
        store_id=store_id,
        customer_id=shared.customer_parameter(query, faults),
        order_id=shared.order_parameter(query, faults),
        state=query.one_of("state", get_args(order_api.RefundState)),
    )
    faults.raise_if_any()
    listed = await refunds.list_refunds(resources_of(request).slow_reads, filter_, page)
    return json_body(pages.page_body(listed, [order_responses.refund(row) for row in listed.items]))


@post(f"{_STORE}/orders/release", operation_id="releaseOrder", status_code=200)
async def release_order(request: AnyRequest, store_id: FromPath[str]) -> Body:
    """Release the pending points of an order."""
    write = await read_write(request, store_id, order_api.OrderRelease, checks.release)
    resources = resources_of(request)
    return stored_body(
        await releases.release_order(
            resources.read_engine, resources.group_commit, write, _released
        )
    )


def _released(row: Any) -> StoredResponse:
    return StoredResponse(200, api.encode(responses.stored_transaction(row)))


@post(f"{_STORE}/orders/recheck", operation_id="recheckOrders", status_code=200)
async def recheck_orders(request: AnyRequest, store_id: FromPath[str]) -> Body:
    """Post skipped orders under the rules in force; each has its own verdict."""
    write = await read_write(request, store_id, order_api.OrderRecheck, checks.recheck)
    resources = resources_of(request)
    render = partial(_verdicts, write.body.order_ids, write.caller.request_id)
    return stored_body(
        await rechecks.recheck_orders(resources.read_engine, resources.group_commit, write, render)
    )


def _verdicts(
    order_ids: Sequence[str], request_id: str, results: Sequence[OrderResult]
) -> StoredResponse:
    data = [
        _verdict(order_id, result, request_id)
        for order_id, result in zip(order_ids, results, strict=True)
    ]
    return StoredResponse(200, api.encode(order_api.OrderVerdicts(data=data)))


def _verdict(order_id: str, result: OrderResult, request_id: str) -> order_api.OrderVerdict:
    if isinstance(result, WhaleError):
        problem = Raw(problems.body_of(result, request_id))
        return order_api.OrderVerdict(
            order_id=order_id, status=problems.status_of(result), problem=problem
        )
    return order_api.OrderVerdict(
        order_id=order_id, status=200, order=order_responses.order(result)
    )


ROUTES: Final[tuple[ControllerRouterHandler, ...]] = (
    list_orders,
    list_refunds,
    release_order,
    recheck_orders,
)
