"""Transactions: the entries of the ledger as callers read them."""

from typing import Any, Final

import msgspec
from sqlalchemy.ext.asyncio import AsyncEngine

from libs.kernel.errors import NotFound
from libs.kernel.ids import parse_id
from libs.persistence.engine import Connection, snapshot
from libs.persistence.pages import Listed, Page, unknown_cursor
from libs.persistence.slow_reads import SlowReads
from services.earning.store import customers, orders, transactions
from services.earning.store.transactions import TransactionFilter

_NO_TRANSACTION: Final = "There is no such transaction in this store."


async def get_transaction(engine: AsyncEngine, store_id: str, transaction_id: str) -> Any:
    """The row of one transaction of the store; raises NotFound."""
    entry_id = parse_id("txn", transaction_id)
    async with snapshot(engine) as connection:
        row = entry_id and await transactions.find(connection, store_id, entry_id)
    if row is None:
        raise NotFound(_NO_TRANSACTION)
    return row


async def list_transactions(
    reads: SlowReads,
    filter_: TransactionFilter,
    page: Page,
    *,
    customer_id: str | None,
) -> Listed[Any]:
    """A page of the store's transactions, or of one customer's or order's.

    Raises InvalidRequest if `starting_after` is not one of those transactions.
    """
    async with reads.snapshot(filter_.store_id) as connection:
        after = None
        if page.starting_after is not None:
            after = await _find_place(connection, filter_.store_id, page.starting_after)
            if after is None or customer_id not in {None, after["customer_id"]}:
                raise unknown_cursor("a transaction")
        if customer_id is not None:
            account = await customers.find(connection, filter_.store_id, customer_id)
            if account is None:
                return Listed([], has_more=False, counted=0)
            filter_ = msgspec.structs.replace(filter_, account_id=account["id"])
        if filter_.order_id is not None:
            # The ledger has no index by orders: an order's entries are in its account, from its own on.
            order = await orders.find(connection, filter_.store_id, filter_.order_id)
            if order is None or order["entry_sequence"] is None:
                return Listed([], has_more=False, counted=0)
            if filter_.account_id not in {None, order["account_id"]}:
                return Listed([], has_more=False, counted=0)
            filter_ = msgspec.structs.replace(
                filter_, account_id=order["account_id"], from_sequence=order["entry_sequence"]
            )
        rows, counted = await transactions.read_page(
            connection, filter_, limit=page.limit, after=after
        )
    return Listed(rows[: page.limit], has_more=len(rows) > page.limit, counted=counted)


async def _find_place(connection: Connection, store_id: str, transaction_id: str) -> Any:
    entry_id = parse_id("txn", transaction_id)
    return entry_id and await transactions.find_place(connection, store_id, entry_id)
