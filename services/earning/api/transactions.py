"""Routes for transactions."""

from typing import Final
from uuid import UUID

from litestar import get
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from libs.contracts.api import MAX_LISTED_IDS
from libs.kernel.ids import parse_id
from libs.web import checks as shared
from libs.web import pages
from libs.web.body import Faults, Query
from libs.web.requests import AnyRequest, Body, json_body, no_query, query_of
from services.earning.api import responses
from services.earning.api.resources import resources_of
from services.earning.handlers import transactions
from services.earning.store.transactions import TransactionFilter

_TRANSACTIONS: Final = "/v1/stores/{store_id:str}/loyalty/transactions"
_TRANSACTION: Final = f"{_TRANSACTIONS}/{{transaction_id:str}}"
_TYPES: Final = ("earn", "redeem", "refund", "void", "cancel", "adjust", "expire", "pend")
_ORDERS: Final = ("occurred_at", "-occurred_at")
# The parameters about the times of events, by which only a customer's transactions can be searched.
_OF_EVENTS: Final = ("occurred_after", "occurred_before", "order")
_PARAMETERS: Final = pages.PARAMETERS | {
    "customer_id",
    "type",
    "created_after",
    "created_before",
    "order_id",
    "ids",
    *_OF_EVENTS,
}


@get(_TRANSACTIONS, operation_id="listTransactions")
async def list_transactions(request: AnyRequest, store_id: FromPath[str]) -> Body:
    faults = Faults()
    query = query_of(request, faults, known=_PARAMETERS)
    page = pages.page_of(query)
    customer_id = shared.customer_parameter(query, faults)
    filter_ = TransactionFilter(
        store_id=store_id,
        type=query.one_of("type", _TYPES),
        created_after=query.time("created_after"),
        created_before=query.time("created_before"),
        order_id=shared.order_parameter(query, faults),
        occurred_after=query.time("occurred_after"),
        occurred_before=query.time("occurred_before"),
        ids=_read_ids(query, faults),
        order=query.one_of("order", _ORDERS),
    )
    for name in _OF_EVENTS:
        if query.text(name) is not None and query.text("customer_id") is None:
            faults.parameter(name, "is possible only together with `customer_id`")
    faults.raise_if_any()
    listed = await transactions.list_transactions(
        resources_of(request).slow_reads,
        filter_,
        page,
        customer_id=customer_id,
    )
    data = [responses.stored_transaction(row) for row in listed.items]
    return json_body(pages.page_body(listed, data))


def _read_ids(query: Query, faults: Faults) -> list[UUID] | None:
    """The ids of the parameter `ids`; as in any list, what is no id of a transaction matches nothing."""
    text = query.text("ids")
    if text is None:
        return None
    ids = text.split(",")
    if len(ids) > MAX_LISTED_IDS or not all(ids):
        faults.parameter("ids", f"must be 1 to {MAX_LISTED_IDS} ids, separated by commas")
    parsed = (parse_id("txn", transaction_id) for transaction_id in ids)
    return [entry_id for entry_id in parsed if entry_id is not None]


@get(_TRANSACTION, operation_id="getTransaction")
async def get_transaction(
    request: AnyRequest, store_id: FromPath[str], transaction_id: FromPath[str]
) -> Body:
    no_query(request)
    row = await transactions.get_transaction(
        resources_of(request).read_engine, store_id, transaction_id
    )
    return json_body(responses.stored_transaction(row))


ROUTES: Final[tuple[ControllerRouterHandler, ...]] = (list_transactions, get_transaction)
