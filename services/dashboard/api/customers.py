"""The customers: the list, and the page of one."""

from typing import Any, Final

from litestar import Response, get
from litestar.types import ControllerRouterHandler

from services.dashboard.api.visit import Visit
from services.dashboard.domain.navigation import link
from services.dashboard.handlers import customer, customers
from services.dashboard.handlers.customer import TABS, Question
from services.dashboard.handlers.customers import Filters
from services.dashboard.handlers.panels import Failed
from whale_loyalty.errors import InvalidArgument, InvalidRequest, NotFound

_PAGE: Final = "customers"
_CURSOR: Final = "starting_after"


@get("/customers", operation_id="dashboardCustomers")
async def show_customers(visit: Visit) -> Response[Any]:
    """The customers that match the filters, by their ids."""
    filters = Filters(
        query=visit.query("query"), tier=visit.query("tier"), status=visit.query("status")
    )
    after = visit.query("after")
    view, errors = None, {}
    try:
        view = await customers.load(visit.client, filters, after)
    except InvalidRequest as error:
        errors = {one.get("parameter", ""): one["detail"] for one in error.errors or []}
        if _CURSOR in errors:
            # The customer that the page began after has left the list.
            return await visit.redirect(_list_address(filters))
    address = _list_address(filters)
    older = None
    if view is not None and view.page.has_more:
        older = _list_address(filters, after=view.page.data[-1].customer_id)
    return await visit.page(
        "pages/customers.html",
        page=_PAGE,
        status=422 if errors else 200,
        view=view,
        filters=filters,
        errors=errors,
        newest=address if after else None,
        older=older,
    )


@get("/customer", operation_id="dashboardCustomer")
async def show_customer(visit: Visit) -> Response[Any]:
    """One customer, with one of the lists about them."""
    question = _question(visit)
    try:
        view = await customer.load(visit.client, question)
    except NotFound:
        return await _show_missing(visit, question.customer_id, can_exist=True)
    except (InvalidArgument, InvalidRequest):
        return await _show_missing(visit, question.customer_id, can_exist=False)
    if question.after and isinstance(view.rows, Failed) and view.rows.code == InvalidRequest.code:
        # The row that the page began after is no longer in the list.
        return await visit.redirect(_tab_address(question))
    return await visit.page(
        "pages/customer.html",
        page=_PAGE,
        view=view,
        question=question,
        posted_later=customer.posted_later,
        newest=_tab_address(question) if question.after else None,
        older=_tab_address(question, view.last_id) if view.last_id else None,
    )


async def _show_missing(visit: Visit, customer_id: str, *, can_exist: bool) -> Response[Any]:
    return await visit.page(
        "pages/customer_missing.html",
        page=_PAGE,
        status=404,
        customer_id=customer_id,
        can_exist=can_exist,
    )


def _question(visit: Visit) -> Question:
    tab = next((one for one in TABS if one == visit.query("tab")), TABS[0])
    return Question(
        customer_id=visit.query("id"),
        tab=tab,
        after=visit.query("after"),
        order_id=visit.query("order") if tab == "orders" else "",
    )


def _tab_address(question: Question, after: str = "") -> str:
    return link(
        "customer",
        id=question.customer_id,
        tab=question.tab,
        order=question.order_id,
        after=after,
    )


def _list_address(filters: Filters, **more: str) -> str:
    return link("customers", query=filters.query, tier=filters.tier, status=filters.status, **more)


ROUTES: Final[tuple[ControllerRouterHandler, ...]] = (show_customers, show_customer)
