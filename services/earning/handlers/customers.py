"""Customers: the status of one, and lists of them."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncEngine

from libs.kernel.errors import NotFound
from libs.kernel.ids import customer_id as parse_customer_id
from libs.persistence.engine import Connection, statement
from libs.persistence.pages import Listed, Page, unknown_cursor
from libs.persistence.slow_reads import SlowReads
from services.earning.domain.account_views import AccountView
from services.earning.domain.programs import Program, StorePrograms
from services.earning.domain.tiers import tier_spans
from services.earning.store import account_views, customers, programs
from services.earning.store.customers import CustomerFilter, RecentEntry

NO_CUSTOMER: Final = "There is no such customer in this store."


class CustomerStatus(Struct, frozen=True):
    """A customer's account row with the last change of its status, the view of its points, the program that
    gives the tier, and the ten newest entries, None if they were not read."""

    account: Any
    view: AccountView
    program: Program | None
    recent_entries: Sequence[RecentEntry] | None = None


async def get_status(engine: AsyncEngine, store_id: str, text: str) -> CustomerStatus:
    """The status of the customer with the id `text`; raises NotFound."""
    customer_id = parse_customer_id(text)
    if customer_id is None:
        raise NotFound(NO_CUSTOMER)
    async with statement(engine) as connection:
        return await read_status(connection, store_id, customer_id)


async def read_status(connection: Connection, store_id: str, customer_id: str) -> CustomerStatus:
    """The same by `connection`, in a transaction or not; raises NotFound.

    Statements in this order need no snapshot, which would cost two round trips: the account and its entries are
    read first, by one statement, and no change of a program or a clock changes an account. What is posted after
    that is not in the status.
    """
    account = await customers.find_status(connection, store_id, customer_id)
    if account is None:
        raise NotFound(NO_CUSTOMER)
    in_force = await read_programs(connection, store_id)
    timeline = await account_views.read_timeline(connection, store_id, in_force, [account])
    view = account_views.view(account, timeline)
    return CustomerStatus(account, view, in_force.default, customers.recent_entries(account))


async def list_customers(
    reads: SlowReads,
    filter_: CustomerFilter,
    page: Page,
    *,
    tier: str | None,
) -> Listed[CustomerStatus]:
    """A page of the store's customers, sorted by id; `tier` is a tier of the default program.

    Raises InvalidRequest if `starting_after` is not a customer of the store.
    """
    async with reads.snapshot(filter_.store_id) as connection:
        after = None
        if page.starting_after is not None:
            after = await _find_cursor(connection, filter_.store_id, page.starting_after)
        in_force = await read_programs(connection, filter_.store_id)
        if tier is not None:
            spans = tier_spans(in_force.default)
            span = next((one for one in spans if one.tier.name == tier), None)
            if span is None:
                return Listed([], has_more=False, counted=0)
            filter_ = msgspec.structs.replace(filter_, tier=span)
        rows, counted = await customers.read_page(
            connection, filter_, limit=page.limit, after=after
        )
        timeline = await account_views.read_timeline(connection, filter_.store_id, in_force, rows)
    items = [
        CustomerStatus(row, account_views.view(row, timeline), in_force.default)
        for row in rows[: page.limit]
    ]
    return Listed(items, has_more=len(rows) > page.limit, counted=counted)


async def _find_cursor(connection: Connection, store_id: str, starting_after: str) -> str:
    customer_id = parse_customer_id(starting_after)
    if customer_id is None or await customers.find(connection, store_id, customer_id) is None:
        raise unknown_cursor("a customer")
    return customer_id


async def read_programs(connection: Connection, store_id: str) -> StorePrograms:
    in_force = await programs.read(connection, [store_id])
    return in_force.get(store_id, StorePrograms())
