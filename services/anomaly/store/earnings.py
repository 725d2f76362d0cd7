"""The earnings seen: the truth that windows are rebuilt, baselines made and backtests run from."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Final

import asyncpg
from msgspec import Struct

from libs.persistence.columns import numbers, texts
from libs.persistence.engine import Connection
from services.anomaly.domain.awards import Award, Baseline

ID_PREFIX: Final = "txn_"

# A baseline needs no more, and one busy customer must not cost more with every earning. Earnings in
# the older half of a history that was cut are there for the baselines of the others.
HISTORY: Final = 4_000
_STORE_HISTORY: Final = 1_000
# How much later an earning may be, and how many such customers, for an earning that came late to
# have them judged again by the store's baseline.
_LATER: Final = timedelta(hours=2)
_JUDGED_AGAIN: Final = 200

Customer = tuple[str, str]

_ADD: Final = r"""
INSERT INTO earnings (store_id, customer_id, occurred_at, id, points, revision)
SELECT * FROM unnest(string_to_array($1, E'\x1f'), string_to_array($2, E'\x1f'),
                     $3::text::timestamptz[], $4::text::uuid[], $5::text::bigint[],
                     $6::text::integer[])
ORDER BY 1, 2, 3, 4
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
# A row for each customer, since most are done with it: thousands of small rows cost more than they say.
_DIGESTS: Final = r"""
SELECT a.nth, e.*
FROM unnest(string_to_array($1, E'\x1f'), string_to_array($2, E'\x1f'))
     WITH ORDINALITY AS a (store_id, customer_id, nth)
CROSS JOIN LATERAL (
    SELECT max(occurred_at) AS latest,
           array_agg(points) FILTER (WHERE normal) AS points,
           array_agg((occurred_at AT TIME ZONE 'UTC')::date - DATE '1970-01-01')
               FILTER (WHERE normal) AS days
    FROM (
        SELECT points, occurred_at, normal FROM earnings e
        WHERE e.store_id = a.store_id AND e.customer_id = a.customer_id
        ORDER BY e.occurred_at DESC, e.id DESC LIMIT $3
    ) known
) e
"""
_STORE_BEFORE: Final = """
SELECT a.nth, b.size, b.median
FROM unnest($2::timestamptz[]) WITH ORDINALITY AS a (before, nth)
CROSS JOIN LATERAL (
    SELECT count(*) AS size, percentile_cont(0.5) WITHIN GROUP (ORDER BY points) AS median
    FROM (
        SELECT points FROM earnings
        WHERE store_id = $1 AND occurred_at < a.before AND normal
        ORDER BY occurred_at DESC LIMIT $3
    ) latest
) b
"""
_MARK: Final = """
UPDATE earnings e SET normal = m.normal
FROM unnest($3::timestamptz[], $4::uuid[], $5::boolean[]) AS m (occurred_at, id, normal)
WHERE e.store_id = $1 AND e.customer_id = $2 AND e.occurred_at = m.occurred_at AND e.id = m.id
"""
_MARK_BY_STORE: Final = """
UPDATE earnings e SET by_store = true
FROM unnest($3::timestamptz[], $4::uuid[]) AS m (occurred_at, id)
WHERE e.store_id = $1 AND e.customer_id = $2 AND e.occurred_at = m.occurred_at AND e.id = m.id
  AND NOT e.by_store
"""
_LATER_BY_STORE: Final = """
SELECT DISTINCT ON (customer_id) customer_id, id,
       (extract(epoch FROM occurred_at) * 1000)::bigint AS at
FROM (
    SELECT customer_id, occurred_at, id FROM earnings
    WHERE store_id = $1 AND by_store AND occurred_at > $2 AND occurred_at <= $3
    ORDER BY occurred_at LIMIT $4
) later
ORDER BY customer_id, occurred_at, id
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


class Earning(Struct, frozen=True):
    """An earning as it is told: `at` in milliseconds since 1970, and the same as text."""

    store_id: str
    customer_id: str
    transaction_id: str
    points: int
    at: int
    occurred_at: str

    @property
    def customer(self) -> Customer:
        return self.store_id, self.customer_id


class Seen(Struct, frozen=True):
    """An earning as it was recorded: under which revision of the settings, and whether it belongs
    to the baselines now."""

    award: Award
    revision: int
    normal: bool


class Digest(Struct, frozen=True):
    """A customer's latest earnings in short: when the last was, in milliseconds since 1970, or None
    without any, and the points of each UTC day, counted from 1970, of those in the baselines."""

    latest: int | None
    days: Mapping[int, int]


async def add(
    connection: Connection, earnings: Sequence[Earning], revisions: Sequence[int]
) -> list[Earning]:
    """Record earnings, and answer those that are new; the others stay as they are."""
    rows = await connection.fetch(
        _ADD,
        texts(one.store_id for one in earnings),
        texts(one.customer_id for one in earnings),
        numbers(one.occurred_at for one in earnings),
        numbers(one.transaction_id.removeprefix(ID_PREFIX) for one in earnings),
        numbers(one.points for one in earnings),
        numbers(revisions),
    )
    new = {(row["store_id"], f"{ID_PREFIX}{row['id']}") for row in rows}
    return [one for one in earnings if (one.store_id, one.transaction_id) in new]


async def lock(connection: Connection, customers: Sequence[Customer]) -> None:
    """Let nobody else judge or review these customers before this transaction ends."""
    await connection.execute(_LOCK, [one[0] for one in customers], [one[1] for one in customers])


async def histories(
    connection: Connection, customers: Sequence[Customer], *, limit: int = HISTORY
) -> dict[Customer, list[Seen]]:
    """The customers' latest earnings, up to `limit` of each, in their order."""
    found: dict[Customer, list[Seen]] = {one: [] for one in customers}
    if customers:
        rows = await connection.fetch(
            _HISTORIES,
            texts(one[0] for one in customers),
            texts(one[1] for one in customers),
            limit,
        )
        for row in rows:
            found[customers[row["nth"] - 1]].append(_seen(row))
    return found


async def digests(connection: Connection, customers: Sequence[Customer]) -> dict[Customer, Digest]:
    """The customers' histories, as long as `histories` has them, in short."""
    rows = await connection.fetch(
        _DIGESTS,
        texts(one[0] for one in customers),
        texts(one[1] for one in customers),
        HISTORY,
    )
    return {customers[row["nth"] - 1]: _digest(row) for row in rows}


async def store_before(
    connection: Connection, store_id: str, awards: Sequence[Award]
) -> dict[str, Baseline]:
    """The store's baseline before each of the awards, by its id."""
    rows = await connection.fetch(
        _STORE_BEFORE, store_id, [moment(one.at) for one in awards], _STORE_HISTORY
    )
    return {
        awards[row["nth"] - 1].id: Baseline(Decimal(str(row["median"] or 0)), row["size"])
        for row in rows
    }


async def mark(connection: Connection, customer: Customer, changes: dict[Award, bool]) -> None:
    """Write which of a customer's earnings belong to the baselines."""
    if changes:
        await connection.execute(
            _MARK,
            *customer,
            [moment(one.at) for one in changes],
            [one.id.removeprefix(ID_PREFIX) for one in changes],
            list(changes.values()),
        )


async def mark_by_store(
    connection: Connection, customer: Customer, awards: Iterable[Award]
) -> None:
    """Remember which of a customer's earnings the store's baseline was asked for."""
    asked = list(awards)
    if asked:
        await connection.execute(
            _MARK_BY_STORE,
            *customer,
            [moment(one.at) for one in asked],
            [one.id.removeprefix(ID_PREFIX) for one in asked],
        )


async def later_by_store(
    connection: Connection, store_id: str, *, first: int, last: int
) -> dict[Customer, Award]:
    """The customers with earnings that the store's baseline was asked for, and that new ones from
    `first` to `last` came before: each with the earliest of them, as to its place."""
    rows = await connection.fetch(
        _LATER_BY_STORE, store_id, moment(first), moment(last) + _LATER, _JUDGED_AGAIN
    )
    return {
        (store_id, row["customer_id"]): Award(f"{ID_PREFIX}{row['id']}", 0, row["at"])
        for row in rows
    }


async def customers_between(
    connection: Connection, store_id: str, *, first: date, last: date
) -> list[Customer]:
    """Who earned on the UTC days `first` to `last`."""
    rows = await connection.fetch(_CUSTOMERS_BETWEEN, store_id, *span(first, last))
    return [(store_id, row["customer_id"]) for row in rows]


async def count_between(
    connection: Connection, store_id: str, *, first: date, last: date, limit: int
) -> int:
    """How many earnings the UTC days `first` to `last` have, counted up to `limit` + 1."""
    days = span(first, last)
    count: int = await connection.fetchval(_COUNT_BETWEEN, store_id, *days, limit + 1)
    return count


def moment(at: int) -> datetime:
    """Milliseconds since 1970 as a time, exactly."""
    return _EPOCH + timedelta(milliseconds=at)


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def milliseconds(moment: datetime) -> int:
    """A time as milliseconds since 1970."""
    since = moment - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000 + since.microseconds // 1_000


def span(first: date, last: date) -> tuple[datetime, datetime]:
    """From the start of the UTC day `first` to the end of `last`."""
    start = datetime(first.year, first.month, first.day, tzinfo=UTC)
    return start, datetime(last.year, last.month, last.day, tzinfo=UTC) + timedelta(days=1)


def _digest(row: asyncpg.Record) -> Digest:
    days: dict[int, int] = {}
    for day, points in zip(row["days"] or (), row["points"] or (), strict=True):
        days[day] = days.get(day, 0) + points
    return Digest(None if row["latest"] is None else milliseconds(row["latest"]), days)


def _seen(row: asyncpg.Record) -> Seen:
    award = Award(f"{ID_PREFIX}{row['id']}", row["points"], row["at"])
    return Seen(award, row["revision"], row["normal"])
