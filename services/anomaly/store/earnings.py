"""The recorded earnings: digests are made, baselines computed and backtests run from them."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import asyncpg
from msgspec import Struct

from libs.persistence.columns import numbers, texts
from libs.persistence.engine import Connection
from libs.persistence.rows import copy
from services.anomaly.domain.baselines import Baseline
from services.anomaly.domain.earnings import HISTORY_LIMIT, Earning, Position, RecordedEarning

ID_PREFIX: Final = "txn_"

# The store's latest earnings that make its baseline.
_STORE_HISTORY: Final = 1_000
# A late earning changes the store's baseline for those after it. They are judged again up to so much
# later and up to so many per store, which bounds the work that one late earning causes.
_AFFECTED_FOR: Final = timedelta(hours=2)
_MAX_AFFECTED: Final = 200

Customer = tuple[str, str]

_ADD: Final = r"""
INSERT INTO earnings (store_id, customer_id, occurred_at, id, points, revision, in_digest)
SELECT *, true FROM unnest(string_to_array($1, E'\x1f'), string_to_array($2, E'\x1f'),
                           $3::text::timestamptz[], $4::text::uuid[], $5::text::bigint[],
                           $6::text::integer[]) AS a (store_id, customer_id, occurred_at, id)
ORDER BY store_id COLLATE "C", customer_id COLLATE "C", occurred_at, id
ON CONFLICT DO NOTHING
RETURNING store_id, id
"""
_LOCK: Final = """
WITH made AS (
    INSERT INTO customers SELECT * FROM unnest($1::text[], $2::text[]) ORDER BY 1, 2
    ON CONFLICT DO NOTHING
)
SELECT FROM customers c JOIN unnest($1::text[], $2::text[]) AS a (store_id, customer_id)
     USING (store_id, customer_id)
ORDER BY c.store_id, c.customer_id FOR UPDATE OF c
"""
_HISTORIES: Final = r"""
SELECT a.nth, e.id, e.points, (extract(epoch FROM e.occurred_at) * 1000)::bigint AS at, e.revision,
       e.normal
FROM unnest(string_to_array($1, E'\x1f'), string_to_array($2, E'\x1f'))
     WITH ORDINALITY AS a (store_id, customer_id, nth)
CROSS JOIN LATERAL (
    SELECT id, points, occurred_at, revision, normal FROM earnings e
    WHERE e.store_id = a.store_id AND e.customer_id = a.customer_id
    ORDER BY e.occurred_at DESC, e.id DESC LIMIT $3
) e
ORDER BY a.nth, e.occurred_at, e.id
"""
# The index has the order, and a thousand rows are enough. Where PostgreSQL has no statistics yet, it
# would read and sort all earnings of the store instead.
_IN_INDEX_ORDER: Final = "SET LOCAL enable_bitmapscan = off"
STORE_BASELINES: Final = """
SELECT a.nth, b.size, b.median
FROM unnest($1::text[], $2::timestamptz[]) WITH ORDINALITY AS a (store_id, before, nth)
CROSS JOIN LATERAL (
    SELECT count(*) AS size, percentile_cont(0.5) WITHIN GROUP (ORDER BY points) AS median
    FROM (
        SELECT points FROM earnings e
        WHERE e.store_id = a.store_id AND e.occurred_at < a.before AND e.normal
          AND e.id <> ALL ($4::uuid[])
        ORDER BY e.occurred_at DESC LIMIT $3
    ) latest
) b
"""
_UPDATE_BASELINES: Final = """
UPDATE earnings e SET normal = u.normal
FROM unnest($1::text[], $2::text[], $3::timestamptz[], $4::uuid[], $5::boolean[])
     AS u (store_id, customer_id, occurred_at, id, normal)
WHERE e.store_id = u.store_id AND e.customer_id = u.customer_id
  AND e.occurred_at = u.occurred_at AND e.id = u.id
"""
_MARK_JUDGED_BY_STORE: Final = """
UPDATE earnings e SET by_store = true
FROM unnest($1::text[], $2::text[], $3::timestamptz[], $4::uuid[])
     AS u (store_id, customer_id, occurred_at, id)
WHERE e.store_id = u.store_id AND e.customer_id = u.customer_id
  AND e.occurred_at = u.occurred_at AND e.id = u.id AND NOT e.by_store
"""
_AFFECTED_BY_STORE: Final = """
SELECT DISTINCT ON (later.store_id, later.customer_id) later.store_id, later.customer_id, later.id,
       (extract(epoch FROM later.occurred_at) * 1000)::bigint AS at
FROM unnest($1::text[], $2::timestamptz[], $3::timestamptz[]) AS a (store_id, first, last)
CROSS JOIN LATERAL (
    SELECT e.store_id, e.customer_id, e.occurred_at, e.id FROM earnings e
    WHERE e.store_id = a.store_id AND e.by_store
      AND e.occurred_at > a.first AND e.occurred_at <= a.last
    ORDER BY e.occurred_at LIMIT $4
) later
ORDER BY later.store_id, later.customer_id, later.occurred_at, later.id
"""
_CUSTOMERS_BETWEEN: Final = """
SELECT DISTINCT customer_id FROM earnings
WHERE store_id = $1 AND occurred_at >= $2 AND occurred_at < $3
"""
_COUNT_BETWEEN: Final = """
SELECT count(*) FROM (
    SELECT FROM earnings WHERE store_id = $1 AND occurred_at >= $2 AND occurred_at < $3 LIMIT $4
) counted
"""


class AlreadyRecorded(Exception):
    """An earning of the batch is recorded already; nothing of the batch was recorded now."""


class EarningEvent(Struct, frozen=True):
    """An earning as the ledger published it: `at` in milliseconds since 1970, and `occurred_at` the
    same as text."""

    store_id: str
    customer_id: str
    transaction_id: str
    points: int
    at: int
    occurred_at: str

    @property
    def customer(self) -> Customer:
        return self.store_id, self.customer_id

    @property
    def earning(self) -> Earning:
        return Earning(self.transaction_id, self.points, self.at)


class _Row(Struct, frozen=True, array_like=True, gc=False, order=True):
    """A row of the table."""

    store_id: str
    customer_id: str
    occurred_at: str
    id: str
    points: int
    revision: int
    in_digest: bool


async def add_new(
    connection: Connection, events: Sequence[EarningEvent], *, settings_revisions: Sequence[int]
) -> Sequence[EarningEvent]:
    """Record earnings as `add` does, at a fraction of the cost. Raises AlreadyRecorded unless all of
    them are new."""
    rows = sorted(
        _Row(
            event.store_id,
            event.customer_id,
            event.occurred_at,
            event.transaction_id.removeprefix(ID_PREFIX),
            event.points,
            revision,
            in_digest=True,
        )
        for event, revision in zip(events, settings_revisions, strict=True)
    )
    try:
        await copy(connection, "earnings", rows)
    except asyncpg.UniqueViolationError as error:
        raise AlreadyRecorded from error
    return events


async def add(
    connection: Connection, events: Sequence[EarningEvent], *, settings_revisions: Sequence[int]
) -> list[EarningEvent]:
    """Record earnings, each with the revision of its store's settings, and return those that are new.
    Earnings that are already recorded stay as they are."""
    rows = await connection.fetch(
        _ADD,
        texts(event.store_id for event in events),
        texts(event.customer_id for event in events),
        numbers(event.occurred_at for event in events),
        numbers(event.transaction_id.removeprefix(ID_PREFIX) for event in events),
        numbers(event.points for event in events),
        numbers(settings_revisions),
    )
    new = {(row["store_id"], f"{ID_PREFIX}{row['id']}") for row in rows}
    return [event for event in events if (event.store_id, event.transaction_id) in new]


async def lock(connection: Connection, customers: Sequence[Customer]) -> None:
    """Until this transaction ends, no other one judges or reviews these customers."""
    if customers:
        await connection.execute(
            _LOCK,
            [store_id for store_id, _ in customers],
            [customer_id for _, customer_id in customers],
        )


async def histories(
    connection: Connection, customers: Sequence[Customer], *, limit: int = HISTORY_LIMIT
) -> dict[Customer, list[RecordedEarning]]:
    """The customers' latest earnings, up to `limit` of each, by position."""
    by_customer: dict[Customer, list[RecordedEarning]] = {customer: [] for customer in customers}
    if customers:
        rows = await connection.fetch(
            _HISTORIES,
            texts(store_id for store_id, _ in customers),
            texts(customer_id for _, customer_id in customers),
            limit,
        )
        for row in rows:
            by_customer[customers[row["nth"] - 1]].append(_recorded(row))
    return by_customer


async def store_baselines(
    connection: Connection,
    earnings: Mapping[Customer, Sequence[Earning]],
    excluded: Collection[str] = (),
) -> dict[Customer, dict[str, Baseline]]:
    """The store's baseline before each of the customers' earnings, by the earning's id. The baselines
    contain no earning whose id is `excluded`."""
    baselines: dict[Customer, dict[str, Baseline]] = {customer: {} for customer in earnings}
    flat = _flat(earnings)
    if flat:
        await connection.execute(_IN_INDEX_ORDER)
        rows = await connection.fetch(
            STORE_BASELINES,
            [customer[0] for customer, _ in flat],
            [moment(earning.at) for _, earning in flat],
            _STORE_HISTORY,
            [id_.removeprefix(ID_PREFIX) for id_ in excluded],
        )
        for row in rows:
            customer, earning = flat[row["nth"] - 1]
            baselines[customer][earning.id] = Baseline(
                Decimal(str(row["median"] or 0)), row["size"]
            )
    return baselines


async def update_baselines(
    connection: Connection, changes: Mapping[Customer, Mapping[Earning, bool]]
) -> None:
    """Record which of the customers' earnings enter (True) or leave (False) the baselines."""
    flat = _flat(changes)
    if flat:
        await connection.execute(
            _UPDATE_BASELINES,
            *_keys(flat),
            [changes[customer][earning] for customer, earning in flat],
        )


async def mark_judged_by_store_baseline(
    connection: Connection, earnings: Mapping[Customer, Sequence[Earning]]
) -> None:
    """Record which of the customers' earnings were judged by the store's baseline, so that a late
    earning of another customer has them judged again."""
    flat = _flat(earnings)
    if flat:
        await connection.execute(_MARK_JUDGED_BY_STORE, *_keys(flat))


async def affected_by_store_baseline(
    connection: Connection, new: Mapping[str, tuple[int, int]]
) -> dict[Customer, Position]:
    """The customers with earnings whose judgment used the store's baseline, which new earnings now
    change, each with the position of the earliest such earning. `new` holds the event times of each
    store's first and last new earning."""
    if not new:
        return {}
    rows = await connection.fetch(
        _AFFECTED_BY_STORE,
        list(new),
        [moment(first) for first, _ in new.values()],
        [moment(last) + _AFFECTED_FOR for _, last in new.values()],
        _MAX_AFFECTED,
    )
    return {
        (row["store_id"], row["customer_id"]): (row["at"], f"{ID_PREFIX}{row['id']}")
        for row in rows
    }


async def customers_between(
    connection: Connection, store_id: str, *, first: date, last: date
) -> list[Customer]:
    """The customers with earnings on the UTC days `first` to `last`."""
    rows = await connection.fetch(_CUSTOMERS_BETWEEN, store_id, *span(first, last))
    return [(store_id, row["customer_id"]) for row in rows]


async def count_between(
    connection: Connection, store_id: str, *, first: date, last: date, limit: int
) -> int:
    """The number of earnings on the UTC days `first` to `last`, counted up to `limit` + 1."""
    days = span(first, last)
    count: int = await connection.fetchval(_COUNT_BETWEEN, store_id, *days, limit + 1)
    return count


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def moment(at: int) -> datetime:
    """Milliseconds since 1970 as a time, exactly."""
    return _EPOCH + timedelta(milliseconds=at)


def milliseconds(moment: datetime) -> int:
    """A time as milliseconds since 1970."""
    since = moment - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000 + since.microseconds // 1_000


def span(first: date, last: date) -> tuple[datetime, datetime]:
    """From the start of the UTC day `first` to the end of `last`."""
    start = datetime(first.year, first.month, first.day, tzinfo=UTC)
    return start, datetime(last.year, last.month, last.day, tzinfo=UTC) + timedelta(days=1)


def _flat(earnings: Mapping[Customer, Iterable[Earning]]) -> list[tuple[Customer, Earning]]:
    return [(customer, earning) for customer in earnings for earning in earnings[customer]]


def _keys(flat: Sequence[tuple[Customer, Earning]]) -> tuple[list[Any], ...]:
    """The columns of the primary keys."""
    return (
        [customer[0] for customer, _ in flat],
        [customer[1] for customer, _ in flat],
        [moment(earning.at) for _, earning in flat],
        [earning.id.removeprefix(ID_PREFIX) for _, earning in flat],
    )


def _recorded(row: asyncpg.Record) -> RecordedEarning:
    earning = Earning(f"{ID_PREFIX}{row['id']}", row["points"], row["at"])
    return RecordedEarning(earning, row["revision"], row["normal"])
