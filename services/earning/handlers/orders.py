"""Orders: what became of each, also of those that earned nothing."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any, Final, Literal

import msgspec
from msgspec import Struct

from libs.persistence.engine import Connection
from libs.persistence.pages import COUNT_LIMIT, Listed, Page, unknown_cursor
from libs.persistence.slow_reads import SlowReads
from services.earning.domain import entry_lots
from services.earning.domain.account_views import AccountView
from services.earning.domain.dates import to_date
from services.earning.domain.order_records import OrderState
from services.earning.domain.programs import StorePrograms
from services.earning.store import (
    account_views,
    customers,
    dead_letters,
    orders,
    pending_awards,
    programs,
)
from services.earning.store.dead_letters import RefusedOrder
from services.earning.store.orders import OrderFilter, Place, Position

State = OrderState | Literal["refused"]
# `pending`: counted orders of which points wait.
StateFilter = State | Literal["pending"]

_NONE: Final[Listed[Any]] = Listed([], has_more=False, counted=0)


class Order(Struct, frozen=True, kw_only=True):
    """An order with its dead letters: `row` is its record, or None if only the letters name it, and
    `refused` then says what they say. `skip_detail` says of a skipped order what does not fit. The points become
    or became available at `available_at`, and expire when `expires_on` ends."""

    row: Any
    refused: RefusedOrder | None
    letters: Sequence[Any]
    skip_detail: str | None = None
    available_at: datetime | None = None
    expires_on: date | None = None

    @property
    def state(self) -> State:
        state: State = "refused" if self.row is None else self.row["state"]
        return state

    @property
    def is_pending(self) -> bool:
        """Whether points of the order wait."""
        return self.row is not None and self.row["pending"] > 0

    @property
    def customer_id(self) -> str | None:
        source = self.row if self.refused is None else msgspec.structs.asdict(self.refused)
        customer_id: str | None = source["customer_id"]
        return customer_id

    @property
    def position(self) -> Position:
        return orders.position_of(self.row) if self.refused is None else _position_of(self.refused)


class Criteria(Struct, frozen=True, kw_only=True):
    """Which orders of a store."""

    store_id: str
    customer_id: str | None = None
    order_id: str | None = None
    state: StateFilter | None = None


async def list_orders(reads: SlowReads, criteria: Criteria, page: Page) -> Listed[Order]:
    """A page of the store's orders, newest first.

    Raises InvalidRequest if `starting_after` is not one of those orders.
    """
    async with reads.snapshot(criteria.store_id) as connection:
        after = None
        if page.starting_after is not None:
            after = await _find_position(connection, criteria, page.starting_after)
        if criteria.order_id is not None:
            order = await find_order(connection, criteria.store_id, criteria.order_id)
            if order is None or after is not None or not _matches(order, criteria):
                return _NONE
            return Listed([order], has_more=False, counted=1)
        places, counted = await _read_places(connection, criteria, page.limit + 1, after)
        order_ids = [place.order_id for place in places[: page.limit]]
        items = await read_orders(connection, criteria.store_id, order_ids)
    return Listed(items, has_more=len(places) > page.limit, counted=counted)


async def find_order(connection: Connection, store_id: str, order_id: str) -> Order | None:
    """The order, recorded or refused, or None."""
    return next(iter(await read_orders(connection, store_id, [order_id])), None)


async def read_orders(
    connection: Connection, store_id: str, order_ids: Sequence[str]
) -> list[Order]:
    """The orders with these ids, in this order, without unknown ones."""
    rows = await orders.read(connection, store_id, order_ids)
    missing = [order_id for order_id in order_ids if order_id not in rows]
    refused: dict[str, RefusedOrder] = {}
    if missing:
        listed = await dead_letters.read_refused(connection, store_id, order_ids=missing)
        refused = {order.order_id: order for order in listed}
    letters = await dead_letters.read_of_orders(connection, store_id, order_ids)
    in_force = (await programs.read(connection, [store_id])).get(store_id, StorePrograms())
    timeline = await account_views.read_timeline(connection, store_id, in_force, rows.values())
    views = {row["account_id"]: account_views.view(row, timeline) for row in rows.values()}
    listed_orders: list[Order] = []
    for order_id in order_ids:
        row = rows.get(order_id)
        if row is not None:
            listed_orders.append(_recorded(row, letters, in_force, views[row["account_id"]]))
        elif order_id in refused:
            listed_orders.append(
                Order(row=None, refused=refused[order_id], letters=letters.get(order_id, []))
            )
    return listed_orders


def _recorded(
    row: Any, letters: Mapping[str, Sequence[Any]], in_force: StorePrograms, view: AccountView
) -> Order:
    """A recorded order, with the programs and the points of its customer as they are now."""
    skip_detail = None
    if row["state"] == "skipped":
        skip_detail = in_force.describe_skip(
            row["skip_reason"], row["named_program"], row["currency"]
        )
    return Order(
        row=row,
        refused=None,
        letters=letters.get(row["order_id"], []),
        skip_detail=skip_detail,
        available_at=_available_at(row, view),
        expires_on=_expires_on(row, view),
    )


def _available_at(row: Any, view: AccountView) -> datetime | None:
    """When the points become or became available; None while that is not known, and for an award that never
    waited."""
    window = pending_awards.read_window(row)
    if window is not None and view.epoch is not None:
        return window.available_at(view.epoch.zone)
    is_earned = row["entry_type"] == "earn"
    return row["available_at"].astimezone(UTC) if is_earned and row["available_at"] else None


def _expires_on(row: Any, view: AccountView) -> date | None:
    """The present last day of the points, from when they are available on."""
    if row["entry_type"] != "earn":
        return None
    note = None if row["award_lots"] is None else entry_lots.decode(row["award_lots"])
    day = view.last_day(entry_lots.mark(note, row["award_sequence"]))
    return None if day is None else to_date(day)


def _matches(order: Order, criteria: Criteria) -> bool:
    """Whether an order passes the filters other than that by its id."""
    states = {None, order.state, "pending"} if order.is_pending else {None, order.state}
    return criteria.state in states and criteria.customer_id in {None, order.customer_id}


async def _find_position(connection: Connection, criteria: Criteria, order_id: str) -> Position:
    """Where the list continues. The order's state may have changed since the last page."""
    order = await find_order(connection, criteria.store_id, order_id)
    if order is None or not _matches(order, msgspec.structs.replace(criteria, state=None)):
        raise unknown_cursor("an order")
    return order.position


async def _read_places(
    connection: Connection, criteria: Criteria, limit: int, after: Position | None
) -> tuple[list[Place], int]:
    """The first `limit` orders after a position, merged from all sources, and the number of matches."""
    sources: list[tuple[list[Place], int]] = []
    filter_ = await _filter_recorded(connection, criteria)
    if filter_ is not None and filter_.state in {None, "counted"}:
        sources.append(await orders.read_posted(connection, filter_, limit=limit, after=after))
    if filter_ is not None and not filter_.is_pending:
        sources.append(await orders.read_not_posted(connection, filter_, limit=limit, after=after))
    if criteria.state in {None, "refused"}:
        sources.append(await _read_refused(connection, criteria, after))
    places = sorted(
        (place for source, _ in sources for place in source),
        key=lambda place: place.position,
        reverse=True,
    )
    return places[:limit], min(sum(count for _, count in sources), COUNT_LIMIT + 1)


async def _filter_recorded(connection: Connection, criteria: Criteria) -> OrderFilter | None:
    """The filter for recorded orders; None if no recorded order can match."""
    if criteria.state == "refused":
        return None
    filter_ = OrderFilter(
        store_id=criteria.store_id,
        state="counted" if criteria.state == "pending" else criteria.state,
        is_pending=criteria.state == "pending",
    )
    if criteria.customer_id is None:
        return filter_
    account = await customers.find(connection, criteria.store_id, criteria.customer_id)
    if account is None:
        return None
    return msgspec.structs.replace(filter_, account_id=account["id"])


async def _read_refused(
    connection: Connection, criteria: Criteria, after: Position | None
) -> tuple[list[Place], int]:
    refused = await dead_letters.read_refused(
        connection, criteria.store_id, customer_id=criteria.customer_id
    )
    places = [Place(order.order_id, _position_of(order)) for order in refused]
    return [place for place in places if after is None or place.position < after], len(refused)


def _position_of(order: RefusedOrder) -> Position:
    return Position(order.recorded_at.astimezone(UTC), orders.REFUSED, order.order_id)
