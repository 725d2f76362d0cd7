"""Routes for customers: status, lists, and the status of their accounts."""

from typing import Final

from litestar import get, patch
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from libs.contracts import api
from libs.persistence.idempotency import StoredResponse
from libs.web import checks as shared
from libs.web import pages
from libs.web.body import Faults
from libs.web.requests import (
    AnyRequest,
    Body,
    json_body,
    no_query,
    query_of,
    read_write,
    stored_body,
)
from services.earning.api import checks, responses
from services.earning.api.resources import resources_of
from services.earning.handlers import account_points, account_status, customers
from services.earning.handlers.customers import CustomerStatus
from services.earning.store.customers import CustomerFilter

_CUSTOMERS: Final = "/v1/stores/{store_id:str}/loyalty/customers"
_CUSTOMER: Final = f"{_CUSTOMERS}/{{customer_id:str}}"


@get(_CUSTOMERS, operation_id="listCustomers")
async def list_customers(request: AnyRequest, store_id: FromPath[str]) -> Body:
    faults = Faults()
    query = query_of(request, faults, known=pages.PARAMETERS | {"query", "tier", "status"})
    page = pages.page_of(query)
    status = query.one_of("status", ("active", "suspended"))
    filter_ = CustomerFilter(
        store_id=store_id,
        prefix=shared.customer_start_parameter(query, faults),
        suspended=None if status is None else status == "suspended",
    )
    faults.raise_if_any()
    listed = await customers.list_customers(
        resources_of(request).slow_reads,
        filter_,
        page,
        tier=query.text("tier"),
    )
    data = [responses.customer_status(status) for status in listed.items]
    return json_body(pages.page_body(listed, data))


@get(_CUSTOMER, operation_id="getCustomer")
async def get_customer(
    request: AnyRequest, store_id: FromPath[str], customer_id: FromPath[str]
) -> Body:
    no_query(request)
    status = await customers.get_status(resources_of(request).read_engine, store_id, customer_id)
    return json_body(responses.customer_status(status))


@get(f"{_CUSTOMER}/expirations", operation_id="listExpirations")
async def list_expirations(
    request: AnyRequest, store_id: FromPath[str], customer_id: FromPath[str]
) -> Body:
    """The points that expire, by last day."""
    faults = Faults()
    query = query_of(request, faults, known=pages.PARAMETERS)
    page, after = pages.page_of(query), query.date("starting_after")
    faults.raise_if_any()
    listed = await account_points.list_expirations(
        resources_of(request).read_engine, store_id, customer_id, limit=page.limit, after=after
    )
    return json_body(responses.expirations(listed))


@get(f"{_CUSTOMER}/pending", operation_id="listPendingPoints")
async def list_pending_points(
    request: AnyRequest, store_id: FromPath[str], customer_id: FromPath[str]
) -> Body:
    """The points that wait, by order."""
    faults = Faults()
    page = pages.page_of(query_of(request, faults, known=pages.PARAMETERS))
    faults.raise_if_any()
    listed = await account_points.list_pending(
        resources_of(request).read_engine, store_id, customer_id, page
    )
    return json_body(pages.page_body(listed, list(map(responses.pending_points, listed.items))))


@patch(_CUSTOMER, operation_id="updateCustomer")
async def update_customer(
    request: AnyRequest, store_id: FromPath[str], customer_id: FromPath[str]
) -> Body:
    """Suspend an account, or make it active again."""
    write = await read_write(request, store_id, api.CustomerPatch, checks.customer_patch)
    group_commit = resources_of(request).group_commit
    return stored_body(
        await account_status.change_status(group_commit, write, customer_id, _changed)
    )


def _changed(status: CustomerStatus) -> StoredResponse:
    return StoredResponse(200, api.encode(responses.customer_status(status)))


ROUTES: Final[tuple[ControllerRouterHandler, ...]] = (
    list_customers,
    get_customer,
    list_expirations,
    list_pending_points,
    update_customer,
)
