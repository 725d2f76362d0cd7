"""What callers read: a customer's status, transactions."""

from typing import Any, Final

import msgspec
from sqlalchemy.ext.asyncio import AsyncEngine

from libs.contracts import api
from libs.kernel.errors import Fault, InvalidRequest, NotFound
from libs.kernel.ids import customer_id as customer_id_in
from libs.kernel.ids import parse_id
from libs.persistence.engine import Connection, snapshot
from libs.persistence.pages import Listed
from libs.persistence.slow_reads import SlowReads
from services.earning.domain.programs import Program, StorePrograms
from services.earning.handlers import render
from services.earning.store import programs, reading
from services.earning.store.reading import CustomerFilter, TransactionFilter

_NO_CUSTOMER: Final = "There is no such customer in this store."


async def customer_status(
    engine: AsyncEngine, store_id: str, customer_id: str
) -> api.CustomerStatus:
    """The customer's status, all of it as of one moment; raises NotFound."""
    found = customer_id_in(customer_id)
    if found is None:
        raise NotFound(_NO_CUSTOMER)
    async with snapshot(engine) as connection:
        return await read_status(connection, store_id, found)


async def read_status(
    connection: Connection, store_id: str, customer_id: str
) -> api.CustomerStatus:
    """The same, as this transaction sees it."""
    account = await reading.account(connection, store_id, customer_id)
    if account is None:
        raise NotFound(_NO_CUSTOMER)
    recent = await reading.recent(connection, account["id"])
    return render.customer_status(account, await _default(connection, store_id), recent)


async def list_customers(
    reads: SlowReads,
    wanted: CustomerFilter,
    *,
    tier: str | None,
    limit: int,
    starting_after: str | None,
) -> Listed[Any]:
    """A page of the store's customers by their ids; a tier is the default programme's.

    Raises InvalidRequest where `starting_after` is no customer of the store.
    """
    async with reads.snapshot(wanted.store_id) as connection:
        if starting_after is not None:
            starting_after = customer_id_in(starting_after)
            if (
                starting_after is None
                or await reading.account(connection, wanted.store_id, starting_after) is None
            ):
                raise _unknown_cursor("customer")
        default = await _default(connection, wanted.store_id)
        if tier is not None:
            span = None if default is None else default.span(tier)
            if span is None:
                return Listed([], has_more=False, counted=0)
            wanted = msgspec.structs.replace(wanted, lifetime=span)
        rows, counted = await reading.customers(
            connection, wanted, limit=limit, after=starting_after
        )
    shown = [render.customer_status(row, default, None) for row in rows[:limit]]
    return Listed(shown, has_more=len(rows) > limit, counted=counted)


async def _default(connection: Connection, store_id: str) -> Program | None:
    in_force = await programs.read(connection, [store_id])
    return in_force.get(store_id, StorePrograms()).default


async def get_transaction(engine: AsyncEngine, store_id: str, text: str) -> api.Transaction:
    """One transaction of the store; raises NotFound."""
    async with snapshot(engine) as connection:
        found = await _transaction(connection, store_id, text)
    if found is None:
        raise NotFound("There is no such transaction in this store.")
    return render.listed_transaction(found)


async def list_transactions(
    reads: SlowReads,
    wanted: TransactionFilter,
    *,
    customer_id: str | None,
    limit: int,
    starting_after: str | None,
) -> Listed[Any]:
    """A page of the store's transactions, or of one customer's, newest first.

    Raises InvalidRequest where `starting_after` is no transaction of the store.
    """
    async with reads.snapshot(wanted.store_id) as connection:
        after = None
        if starting_after is not None:
            after = await _transaction(connection, wanted.store_id, starting_after)
            if after is None or customer_id not in {None, after["customer_id"]}:
                raise _unknown_cursor("transaction")
        if customer_id is not None:
            account = await reading.account(connection, wanted.store_id, customer_id)
            if account is None:
                return Listed([], has_more=False, counted=0)
            wanted = msgspec.structs.replace(wanted, account_id=account["id"])
        rows, counted = await reading.transactions(connection, wanted, limit=limit, after=after)
    shown = [render.listed_transaction(row) for row in rows[:limit]]
    return Listed(shown, has_more=len(rows) > limit, counted=counted)


async def _transaction(connection: Connection, store_id: str, text: str) -> Any:
    entry_id = parse_id("txn", text)
    if entry_id is None:
        return None
    return await reading.transaction(connection, store_id, entry_id)


def _unknown_cursor(what: str) -> InvalidRequest:
    detail = f"There is no such {what} in this store."
    return InvalidRequest(detail, errors=[Fault(detail=detail, parameter="starting_after")])
