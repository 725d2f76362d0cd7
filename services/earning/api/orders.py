"""Routes for orders and dead letters."""

from typing import Final, get_args

from litestar import get
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from libs.contracts import api
from libs.web import checks as shared
from libs.web import pages
from libs.web.body import Faults
from libs.web.requests import AnyRequest, Body, has_scope, json_body, no_query, query_of
from services.earning.api import order_responses as responses
from services.earning.api.resources import resources_of
from services.earning.handlers import dead_letters, orders
from services.earning.handlers.orders import Criteria
from services.earning.store.dead_letters import LetterFilter

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
        state=query.one_of("state", get_args(api.OrderState)),  # type: ignore[arg-type]  # checked
    )
    faults.raise_if_any()
    listed = await orders.list_orders(resources_of(request).slow_reads, criteria, page)
    return json_body(pages.page_body(listed, [responses.order(order) for order in listed.items]))


@get(f"{_STORE}/dead-letters", operation_id="listDeadLetters")
async def list_dead_letters(request: AnyRequest, store_id: FromPath[str]) -> Body:
    faults = Faults()
    query = query_of(request, faults, known=pages.PARAMETERS | {"topic", "code"})
    page = pages.page_of(query)
    filter_ = LetterFilter(
        store_id=store_id,
        topic=query.one_of("topic", get_args(api.LetterTopic)),
        code=query.one_of("code", get_args(api.LetterCode)),
    )
    faults.raise_if_any()
    listed = await dead_letters.list_letters(resources_of(request).slow_reads, filter_, page)
    data = [responses.dead_letter(row) for row in listed.items]
    return json_body(pages.page_body(listed, data))


@get(f"{_STORE}/dead-letters/{{letter_id:str}}", operation_id="getDeadLetter")
async def get_dead_letter(
    request: AnyRequest, store_id: FromPath[str], letter_id: FromPath[str]
) -> Body:
    """A record may hold anything that a shop knows of a buyer: a key that only reads does not see it."""
    no_query(request)
    row = await dead_letters.get_letter(resources_of(request).read_engine, store_id, letter_id)
    if has_scope(request, "manage"):
        return json_body(responses.dead_letter_with_record(row))
    return json_body(responses.dead_letter(row))


ROUTES: Final[tuple[ControllerRouterHandler, ...]] = (
    list_orders,
    list_dead_letters,
    get_dead_letter,
)
