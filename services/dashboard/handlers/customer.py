"""A customer: what they have, what they will have, and one of the lists about them."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final, Literal, get_args

from msgspec import Struct

from services.dashboard.domain.points_form import Account, TierLimit
from services.dashboard.handlers.customers import load_default_program
from services.dashboard.handlers.panels import Failed, attempt
from whale_loyalty import AsyncWhaleClient
from whale_loyalty.errors import NotFound
from whale_loyalty.models import CustomerStatus, Order, Page, PendingPoints, Program, Transaction

Tab = Literal["ledger", "pending", "expirations", "orders", "redemptions", "anomalies"]
TABS: Final[tuple[Tab, ...]] = get_args(Tab)
_PAGE_SIZE: Final = 25
_OPEN: Final = ("pending_review", "in_review")
# A posting that is later than its event by more than this shows both times.
_SAME_TIME: Final = timedelta(days=1)


class Customer(Struct, frozen=True, kw_only=True):
    """The page: the customer, the chosen list, and the counts that the page shows next to it.
    `first_pending` are the points that become available next; None if that is not known."""

    status: CustomerStatus
    first_pending: PendingPoints | None
    tab: Tab
    rows: Page[Any] | Failed
    open_anomalies: int | None
    held_orders: int | None

    @property
    def tabs(self) -> list[Tab]:
        """The lists to choose from: those of points that wait or expire only if there are any."""
        dated = {"pending": self.status.points_pending, "expirations": self.status.next_expiration}
        return [tab for tab in TABS if tab == self.tab or dated.get(tab, True)]

    @property
    def last_id(self) -> str:
        """The cursor of the next page; empty on the last one."""
        if isinstance(self.rows, Failed) or not self.rows.has_more:
            return ""
        last = self.rows.data[-1]
        match self.tab:
            case "pending":
                return str(last.transaction_id)
            case "expirations":
                return str(last.expires_on)
            case "orders":
                return str(last.order_id)
            case _:
                return str(last.id)


class Question(Struct, frozen=True, kw_only=True):
    """What the reader looks at: a list, from which row on, and of the orders perhaps only one."""

    customer_id: str
    tab: Tab = "ledger"
    after: str = ""
    order_id: str = ""


async def load(client: AsyncWhaleClient, question: Question) -> Customer:
    """The page. Raises NotFound for a customer who does not exist, and WhaleError."""
    customer_id = question.customer_id
    (status, first_pending), rows, anomalies, held = await asyncio.gather(
        _load_status(client, customer_id),
        attempt(_load_rows(client, question)),
        attempt(_count_open_anomalies(client, customer_id)),
        attempt(count_held_orders(client, customer_id)),
    )
    return Customer(
        status=status,
        first_pending=first_pending,
        tab=question.tab,
        rows=rows,
        open_anomalies=None if isinstance(anomalies, Failed) else anomalies,
        held_orders=None if isinstance(held, Failed) else held,
    )


async def count_held_orders(client: AsyncWhaleClient, customer_id: str) -> int:
    """How many orders wait for the account to be active again."""
    return (await client.loyalty.orders.list(customer_id=customer_id, state="held", limit=1)).total


async def find_status(client: AsyncWhaleClient, customer_id: str) -> CustomerStatus | None:
    """The customer, or None for an id that has no points and no orders yet."""
    try:
        return await client.loyalty.customers.retrieve(customer_id)
    except NotFound:
        return None


async def find_order(client: AsyncWhaleClient, customer_id: str, order_id: str) -> Order | None:
    """The customer's order with this id, or None without one. Raises WhaleError."""
    orders = client.loyalty.orders
    page = await orders.list(customer_id=customer_id, order_id=order_id, limit=1)
    return page.data[0] if page.data else None


async def load_before(
    client: AsyncWhaleClient, customer_id: str
) -> tuple[CustomerStatus | Failed | None, Program | Failed | None]:
    """What a change of points starts from: the customer, and the default program; None for what does not
    exist."""
    return await asyncio.gather(
        attempt(find_status(client, customer_id)), attempt(load_default_program(client))
    )


def tiers_of(program: Program | Failed | None) -> Sequence[TierLimit] | None:
    """The tiers of the default program, none without one; None where it cannot be loaded."""
    if isinstance(program, Failed):
        return None
    tiers = () if program is None else program.tiers
    return [TierLimit(tier.name, tier.min_points) for tier in tiers]


def account_of(status: CustomerStatus | None) -> Account:
    """The points before a change; those of a customer who does not exist yet are zero."""
    if status is None:
        return Account()
    tier = None if status.tier is None else status.tier.name
    return Account(status.points_balance, status.lifetime_points, tier)


def posted_later(transaction: Transaction) -> datetime | None:
    """When the transaction was posted, if that was more than a day after its event."""
    occurred = transaction.occurred_at
    if occurred is None or transaction.created_at - occurred <= _SAME_TIME:
        return None
    return transaction.created_at


async def _load_status(
    client: AsyncWhaleClient, customer_id: str
) -> tuple[CustomerStatus, PendingPoints | None]:
    """The customer, and of their pending points those that become available first."""
    customers = client.loyalty.customers
    status = await customers.retrieve(customer_id)
    if not status.points_pending:
        return status, None
    pending = await attempt(customers.pending(customer_id, limit=1))
    if isinstance(pending, Failed) or not pending.data:
        return status, None
    return status, pending.data[0]


async def _count_open_anomalies(client: AsyncWhaleClient, customer_id: str) -> int:
    return (
        await client.loyalty.anomalies.list(customer_id=customer_id, status=_OPEN, limit=1)
    ).total


async def _load_rows(client: AsyncWhaleClient, question: Question) -> Page[Any]:
    loyalty, customer_id = client.loyalty, question.customer_id
    after = question.after or None
    match question.tab:
        case "ledger":
            return await loyalty.transactions.list(
                customer_id=customer_id, limit=_PAGE_SIZE, starting_after=after
            )
        case "pending":
            return await loyalty.customers.pending(
                customer_id, limit=_PAGE_SIZE, starting_after=after
            )
        case "expirations":
            return await loyalty.customers.expirations(
                customer_id, limit=_PAGE_SIZE, starting_after=after
            )
        case "orders":
            return await loyalty.orders.list(
                customer_id=customer_id,
                order_id=question.order_id or None,
                limit=_PAGE_SIZE,
                starting_after=after,
            )
        case "redemptions":
            return await loyalty.redemptions.list(
                customer_id=customer_id, limit=_PAGE_SIZE, starting_after=after
            )
        case "anomalies":
            return await loyalty.anomalies.list(
                customer_id=customer_id, limit=_PAGE_SIZE, starting_after=after
            )
