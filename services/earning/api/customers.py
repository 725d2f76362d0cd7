"""Routes for customers: status, lists, and the status of their accounts."""

from typing import Final

from litestar import get, patch
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from libs.contracts import api
from libs.kernel import ids
from libs.kernel.errors import NotFound
from libs.persistence.idempotency import KeptAnswer
from libs.web import checks as shared
from libs.web import pages
from libs.web.body import Faults
from libs.web.exchange import (
    AnyRequest,
    Body,
    json_body,
    kept_body,
    key_name_of,
    no_query,
    query_of,
    write_of,
)
from services.earning.api import checks, responses
from services.earning.api.resources import resources_of
from services.earning.domain.postings import StatusChange
from services.earning.handlers import account_status, customers
from services.earning.handlers.customers import NO_CUSTOMER, CustomerStatus
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
        tier=query.text("tier"),
        limit=page.limit,
        starting_after=page.starting_after,
    )
    data = [responses.customer_status(status) for status in listed.items]
    return json_body(pages.answer(data, has_more=listed.has_more, counted=listed.counted))


@get(_CUSTOMER, operation_id="getCustomer")
async def get_customer(
    request: AnyRequest, store_id: FromPath[str], customer_id: FromPath[str]
) -> Body:
    no_query(request)
    status = await customers.get_status(resources_of(request).reads, store_id, customer_id)
    return json_body(responses.customer_status(status))


@patch(_CUSTOMER, operation_id="updateCustomer")
async def update_customer(
    request: AnyRequest, store_id: FromPath[str], customer_id: FromPath[str]
) -> Body:
    """Suspend an account, or make it active again."""
    body, claim = await write_of(request, store_id, api.CustomerPatch, checks.customer_patch)
    normalized = ids.customer_id(customer_id)
    if normalized is None:
        raise NotFound(NO_CUSTOMER)
    change = StatusChange(
        store_id=store_id,
        customer_id=normalized,
        suspended=body.status == "suspended",
        note=body.note,
        changed_by=key_name_of(request),
    )
    response, replayed = await account_status.change_status(
        resources_of(request).group_commit, change, claim, _changed
    )
    return kept_body(response, replayed=replayed)


def _changed(status: CustomerStatus) -> KeptAnswer:
    return KeptAnswer(200, api.encode(responses.customer_status(status)))


ROUTES: Final[tuple[ControllerRouterHandler, ...]] = (
    list_customers,
    get_customer,
    update_customer,
)
