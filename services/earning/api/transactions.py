"""Routes for transactions."""

from typing import Final

from litestar import get
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from libs.web import checks as shared
from libs.web import pages
from libs.web.body import Faults
from libs.web.requests import AnyRequest, Body, json_body, no_query, query_of
from services.earning.api import responses
from services.earning.api.resources import resources_of
from services.earning.handlers import transactions
from services.earning.store.transactions import TransactionFilter

_TRANSACTIONS: Final = "/v1/stores/{store_id:str}/loyalty/transactions"
_TRANSACTION: Final = f"{_TRANSACTIONS}/{{transaction_id:str}}"
_TYPES: Final = ("earn", "redeem", "refund", "void", "cancel", "adjust", "expire")
_PARAMETERS: Final = pages.PARAMETERS | {
    "customer_id",
    "type",
    "created_after",
    "created_before",
    "order_id",
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
    )
    faults.raise_if_any()
    listed = await transactions.list_transactions(
        resources_of(request).slow_reads,
        filter_,
        page,
        customer_id=customer_id,
    )
    data = [responses.stored_transaction(row) for row in listed.items]
    return json_body(pages.page_body(listed, data))


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
