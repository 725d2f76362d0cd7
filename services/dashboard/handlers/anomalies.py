"""The queue of anomalies, and one of them with everything that its decision needs."""

import asyncio
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from functools import partial
from typing import Final

from msgspec import Struct

from libs.kernel.clock import utc_now
from services.dashboard.domain import evidence, reviews
from services.dashboard.domain.reviews import Decision, Effect, Queue, Share
from services.dashboard.handlers.panels import Failed, attempt
from whale_loyalty import AsyncWhaleClient
from whale_loyalty.errors import InvalidArgument, InvalidRequest, NotFound
from whale_loyalty.models import Anomaly, CustomerStatus, Order, Page, Transaction

PAGE_SIZE: Final = 25
# The chart shows those in question and so many of the customer's earnings up to a day later.
_HISTORY: Final = 100
_AFTERWARDS: Final = timedelta(days=1)
# The API returns so many by their ids in one call; a burst of more is shown by its first ones.
_AT_ONCE: Final = 100
_MOST_SHOWN: Final = 500
# Orders of the customer among which those in question are searched.
_MOST_SEARCHED: Final = 1_000


class Detail(Struct, frozen=True, kw_only=True):
    """One anomaly; the parts around it may have failed to load. `shares` are what a void would take of the
    transactions, in their order, and `effect` what it would do; None where that is not known. `is_shadow` if a
    detector in shadow found it."""

    anomaly: Anomaly
    is_shadow: bool
    customer: CustomerStatus | Failed
    transactions: Sequence[Transaction] | Failed
    shares: Sequence[Share | None]
    charts: Sequence[evidence.Chart]
    effect: Effect | None
    next_id: str
    position: int | None

    @property
    def is_open(self) -> bool:
        return not self.is_shadow and self.anomaly.status in reviews.OPEN

    @property
    def is_explained(self) -> bool:
        return reviews.is_explained(self.anomaly)

    @property
    def has_waited(self) -> bool:
        """Whether points in question had to wait, and perhaps still do."""
        rows = () if isinstance(self.transactions, Failed) else self.transactions
        return any(one.type == "pend" for one in rows)

    @property
    def day(self) -> date:
        """The UTC day of an unusual day."""
        return date.fromisoformat(self.anomaly.evidence["date"])


class Anomalies(Struct, frozen=True, kw_only=True):
    """The page. Without a chosen anomaly, the detail is the first one of the queue; on a narrow screen
    the queue stands alone (`is_chosen` is False)."""

    queue: Queue
    page: Page[Anomaly] | Failed
    detail: Detail | None
    is_chosen: bool


class News(Struct, frozen=True, kw_only=True):
    """What happened since the page was rendered: new anomalies, and the shown one where it has changed."""

    arrived: int
    anomaly: Anomaly | None
    grown_by: int
    is_withdrawn: bool = False


async def load(
    client: AsyncWhaleClient, queue: Queue, anomaly_id: str, label: evidence.Label
) -> Anomalies:
    """The page. Raises NotFound for an anomaly that does not exist, and other errors of the API where the
    chosen anomaly could not be loaded."""
    page = await attempt(_load_page(client, queue))
    listed = () if isinstance(page, Failed) else page.data
    current = await _find(client, queue, anomaly_id, listed)
    detail = await _load_detail(client, queue, current, listed, label) if current else None
    return Anomalies(queue=queue, page=page, detail=detail, is_chosen=bool(anomaly_id and detail))


async def _find(
    client: AsyncWhaleClient, queue: Queue, anomaly_id: str, listed: Sequence[Anomaly]
) -> Anomaly | None:
    """The chosen anomaly, else the first one of the queue. A finding in shadow is in lists only."""
    if anomaly_id and not queue.is_shadow:
        return await client.loyalty.anomalies.retrieve(anomaly_id)
    candidates = (one for one in listed if one.id == anomaly_id or not anomaly_id)
    return next(candidates, None)


async def _load_page(client: AsyncWhaleClient, queue: Queue) -> Page[Anomaly]:
    page = await _list(client, queue, queue.after)
    # A later page that was reviewed to its end, or begins after what is no longer in the list.
    return page if page.data or not queue.after else await _list(client, queue, "")


async def _list(client: AsyncWhaleClient, queue: Queue, after: str) -> Page[Anomaly]:
    try:
        return await client.loyalty.anomalies.list(
            **reviews.FILTERS[queue.status],
            type=queue.type or None,
            customer_id=queue.customer or None,
            order=reviews.SORTS[queue.sort],
            limit=PAGE_SIZE,
            starting_after=after or None,
        )
    except (InvalidArgument, InvalidRequest, NotFound):
        # An id that no customer can have, or a cursor that is not known.
        return Page(data=[], total=0)


async def _load_detail(
    client: AsyncWhaleClient,
    queue: Queue,
    anomaly: Anomaly,
    listed: Sequence[Anomaly],
    label: evidence.Label,
) -> Detail:
    customer, transactions = await asyncio.gather(
        attempt(_load_customer(client, anomaly.customer_id)),
        attempt(_load_transactions(client, anomaly.transaction_ids)),
    )
    history, orders = await asyncio.gather(
        attempt(_load_history(client, anomaly.customer_id, transactions)),
        attempt(_load_orders(client, anomaly.customer_id, transactions)),
    )
    shares = [
        reviews.share_of(one, {} if isinstance(orders, Failed) else orders)
        for one in (() if isinstance(transactions, Failed) else transactions)
    ]
    is_whole = len(shares) == len(anomaly.transaction_ids)
    charts = (
        []
        if isinstance(transactions, Failed)
        else evidence.charts_of(
            anomaly.type,
            anomaly.evidence,
            () if isinstance(history, Failed) else history,
            transactions,
            label,
        )
    )
    ids = [one.id for one in listed]
    return Detail(
        anomaly=anomaly,
        is_shadow=queue.is_shadow,
        customer=customer,
        transactions=transactions,
        shares=shares,
        charts=charts,
        effect=reviews.effect_of(shares, customer, utc_now().date())
        if is_whole and not isinstance(customer, Failed)
        else None,
        next_id=reviews.next_after(listed, anomaly.id),
        position=ids.index(anomaly.id) + 1 if anomaly.id in ids else None,
    )


async def _load_customer(client: AsyncWhaleClient, customer_id: str) -> CustomerStatus:
    return await client.loyalty.customers.retrieve(customer_id)


async def _load_transactions(client: AsyncWhaleClient, ids: Sequence[str]) -> Sequence[Transaction]:
    """The transactions in question by the time of their events."""
    first = ids[:_MOST_SHOWN]
    pages = await asyncio.gather(
        *(
            client.loyalty.transactions.list(ids=first[start : start + _AT_ONCE], limit=_AT_ONCE)
            for start in range(0, len(first), _AT_ONCE)
        )
    )
    return sorted((one for page in pages for one in page.data), key=evidence.time_of)


async def _load_history(
    client: AsyncWhaleClient, customer_id: str, in_question: Sequence[Transaction] | Failed
) -> Sequence[Transaction]:
    """The customer's earnings up to shortly after those in question."""
    if isinstance(in_question, Failed) or not in_question:
        return ()
    list_transactions = partial(
        client.loyalty.transactions.list,
        customer_id=customer_id,
        order="-occurred_at",
        occurred_before=evidence.time_of(in_question[-1]) + _AFTERWARDS,
        limit=_HISTORY,
    )
    earnings = (await list_transactions(type="earn")).data
    if not any(one.pending for one in [*earnings, *in_question]):
        return earnings
    waiting = (await list_transactions(type="pend")).data
    return [one for one in [*earnings, *waiting] if evidence.is_judged(one)]


async def _load_orders(
    client: AsyncWhaleClient, customer_id: str, in_question: Sequence[Transaction] | Failed
) -> dict[str, Order]:
    """The orders in question whose points had to wait, as far as they are among the customer's newest ones."""
    rows = () if isinstance(in_question, Failed) else in_question
    missing = {one.order_id for one in rows if one.type == "pend"}
    orders: dict[str, Order] = {}
    if not missing:
        return orders
    read = 0
    async for order in client.loyalty.orders.list(customer_id=customer_id, limit=_AT_ONCE):
        if order.order_id in missing:
            orders[order.order_id] = order
        read += 1
        if len(orders) == len(missing) or read == _MOST_SEARCHED:
            break
    return orders


async def decide(
    client: AsyncWhaleClient,
    anomaly_id: str,
    decision: Decision,
    *,
    note: str,
    version: int,
    idempotency_key: str,
) -> Anomaly:
    """Resolve the anomaly, if it still has the version that the reader saw. Raises Conflict."""
    return await client.loyalty.anomalies.update(
        anomaly_id,
        status="resolved",
        resolution=reviews.RESOLUTIONS[decision],
        note=note or None,
        version=version,
        idempotency_key=idempotency_key,
    )


async def load_news(
    client: AsyncWhaleClient, since: datetime, anomaly_id: str, version: int, transactions: int
) -> News:
    """What has changed since a page was rendered. Raises WhaleError."""
    arrived = await client.loyalty.anomalies.list(status=reviews.OPEN, flagged_after=since, limit=1)
    try:
        anomaly = await client.loyalty.anomalies.retrieve(anomaly_id) if anomaly_id else None
    except NotFound:
        return News(arrived=arrived.total, anomaly=None, grown_by=0, is_withdrawn=True)
    if anomaly is None or anomaly.version == version:
        return News(arrived=arrived.total, anomaly=None, grown_by=0)
    grown = len(anomaly.transaction_ids) - transactions
    return News(arrived=arrived.total, anomaly=anomaly, grown_by=max(grown, 0))
