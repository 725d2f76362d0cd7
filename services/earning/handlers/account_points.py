"""The points of a customer that expire, and those that wait."""

from datetime import date, datetime
from typing import Any, Final, Literal

from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncEngine

from libs.kernel.errors import NotFound
from libs.kernel.ids import customer_id as parse_customer_id
from libs.persistence.engine import Connection, snapshot
from libs.persistence.pages import Listed, Page, unknown_cursor
from services.earning.domain.account_views import AccountView, ExpiringPoints
from services.earning.domain.accounts import transaction_id
from services.earning.domain.dates import to_day
from services.earning.handlers.customers import NO_CUSTOMER, read_programs
from services.earning.store import account_views, customers, pending_lists
from services.earning.store.pending_lists import ListedAward

_NONE: Final[Listed[Any]] = Listed([], has_more=False, counted=0)


class Expirations(Struct, frozen=True):
    """A page of the points that expire, earliest first, and the points that never do."""

    page: Listed[ExpiringPoints]
    without_date: int


class PendingPoints(Struct, frozen=True, kw_only=True):
    """The `points` of an order that wait. They are released at `available_at`, or wait for the fulfillment and
    are given up at `gives_up_at` without it."""

    transaction_id: str
    order_id: str
    points: int
    available_at: datetime | None
    gives_up_at: datetime | None

    @property
    def waits_for(self) -> Literal["fulfilled"] | None:
        return None if self.gives_up_at is None else "fulfilled"


async def list_expirations(
    engine: AsyncEngine, store_id: str, text: str, *, limit: int, after: date | None
) -> Expirations:
    """Up to `limit` last days later than `after` of the customer with the id `text`; raises NotFound."""
    async with snapshot(engine) as connection:
        _, view = await _find(connection, store_id, text)
    days = list(view.days)
    following = days if after is None else [day for day in days if day > to_day(after)]
    items = [view.expiring(day) for day in following[:limit]]
    page = Listed(items, has_more=len(following) > limit, counted=len(days))
    return Expirations(page, view.without_date)


async def list_pending(
    engine: AsyncEngine, store_id: str, text: str, page: Page
) -> Listed[PendingPoints]:
    """A page of the customer's pending points: those that are released first come first, those that wait for
    a fulfillment last.

    Raises NotFound, and InvalidRequest if `starting_after` is not one of their transactions.
    """
    async with snapshot(engine) as connection:
        account, view = await _find(connection, store_id, text)
        after = None
        if page.starting_after is not None:
            after = await pending_lists.find(connection, account["id"], page.starting_after)
            if after is None:
                raise unknown_cursor("a pending transaction")
        if view.epoch is None:
            return _NONE
        listed, counted = await pending_lists.read_page(
            connection, account["id"], limit=page.limit + 1, after=after
        )
    items = [_pending_points(award, view) for award in listed[: page.limit]]
    return Listed(items, has_more=len(listed) > page.limit, counted=counted)


def _pending_points(listed: ListedAward, view: AccountView) -> PendingPoints:
    award = listed.award
    assert award.window is not None
    assert view.epoch is not None
    due = award.window.due(view.epoch.zone)
    return PendingPoints(
        transaction_id=transaction_id(listed.entry_id),
        order_id=award.key[1],
        points=award.points,
        available_at=due.at if due.kind == "release" else None,
        gives_up_at=due.at if due.kind == "give_up" else None,
    )


async def _find(connection: Connection, store_id: str, text: str) -> tuple[Any, AccountView]:
    """The customer's account and its view; raises NotFound."""
    customer_id = parse_customer_id(text)
    account = None
    if customer_id is not None:
        account = await customers.find(connection, store_id, customer_id)
    if account is None:
        raise NotFound(NO_CUSTOMER)
    in_force = await read_programs(connection, store_id)
    timeline = await account_views.read_timeline(connection, store_id, in_force, [account])
    return account, account_views.view(account, timeline)
