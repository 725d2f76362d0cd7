"""Anomalies and their reviews: read for judging, written in whole batches, listed for people."""

from collections.abc import Iterable, Sequence
from datetime import UTC, date
from typing import Any, Final
from uuid import UUID

import msgspec
from msgspec import Struct
from sqlalchemy import ColumnElement, Select, func, select

from libs.contracts.anomalies import AnomalyType, Resolution
from libs.persistence.engine import Connection
from libs.persistence.pages import COUNT_LIMIT
from libs.persistence.statement import fetch
from services.anomaly.domain.anomalies import OPEN, Anomaly, Review
from services.anomaly.store.earnings import ID_PREFIX, Customer, milliseconds, moment, span
from services.anomaly.tables import anomalies

# The one lane that this size of system needs; more lanes take a hash of the customer.

_OF_CUSTOMERS: Final = """
SELECT a.nth, o.* FROM unnest($1::text[], $2::text[], $3::timestamptz[])
     WITH ORDINALITY AS a (store_id, customer_id, since, nth)
JOIN anomalies o
  ON o.store_id = a.store_id AND o.customer_id = a.customer_id AND o.last_at >= a.since
WHERE o.status <> 'withdrawn'
"""
_PUT: Final = """
INSERT INTO anomalies (id, store_id, customer_id, type, mode, revision, version, description, points,
                       transaction_ids, first_at, last_at, evidence, status, flagged_at, merged_into,
                       resolution, note, reviewed_by, resolved_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20)
ON CONFLICT (id) DO UPDATE
SET version = excluded.version, description = excluded.description, points = excluded.points,
    transaction_ids = excluded.transaction_ids, first_at = excluded.first_at,
    last_at = excluded.last_at, evidence = excluded.evidence, status = excluded.status,
    merged_into = excluded.merged_into, resolution = excluded.resolution, note = excluded.note,
    reviewed_by = excluded.reviewed_by, resolved_at = excluded.resolved_at
"""
_ADD_REVIEW: Final = """
INSERT INTO reviews (anomaly_id, version, status, resolution, note, reviewed_by, reviewed_at)
VALUES ($1, $2, $3, $4, $5, $6, now())
"""
# The id is drawn here, after the customers' locks: for each customer the order of ids is the order
# of commits, which is the order the relay publishes in.
_JUDGED: Final = """
SELECT type, resolution, transaction_ids FROM anomalies
WHERE store_id = $1 AND status = 'resolved' AND mode = 'review' AND last_at >= $2 AND last_at < $3
"""


class AnomalyFilter(Struct, frozen=True, kw_only=True):
    """Which of a store's shown anomalies."""

    store_id: str
    status: str | None = None
    type: str | None = None
    customer_id: str | None = None


class Judged(Struct, frozen=True):
    """A resolved anomaly, as far as a backtest compares with it."""

    type: AnomalyType
    resolution: Resolution
    transaction_ids: frozenset[str]


async def of_customers(
    connection: Connection, customers: Sequence[Customer], since: Sequence[int]
) -> dict[Customer, list[Anomaly]]:
    """The customers' anomalies that reach into the time from `since` (milliseconds) on, also those
    in shadow."""
    found: dict[Customer, list[Anomaly]] = {one: [] for one in customers}
    rows = await connection.fetch(
        _OF_CUSTOMERS,
        [one[0] for one in customers],
        [one[1] for one in customers],
        [moment(at) for at in since],
    )
    for row in rows:
        found[customers[row["nth"] - 1]].append(_anomaly(row))
    return found


async def find(connection: Connection, store_id: str, anomaly_id: UUID) -> Anomaly | None:
    """A shown anomaly, also a withdrawn one; None for what people never saw."""
    rows = await fetch(
        connection,
        select(anomalies).where(
            anomalies.c.id == anomaly_id,
            anomalies.c.store_id == store_id,
            anomalies.c.mode == "review",
        ),
    )
    return _anomaly(rows[0]) if rows else None


async def put(connection: Connection, changed: Sequence[Anomaly]) -> None:
    """Make these the versions in force."""
    await connection.executemany(_PUT, [_row(one) for one in changed])


async def add_review(connection: Connection, anomaly: Anomaly, review: Review) -> None:
    """Keep who decided what, and why."""
    await connection.execute(
        _ADD_REVIEW,
        anomaly.id,
        anomaly.version,
        review.status,
        review.resolution,
        review.note,
        review.reviewed_by,
    )


async def judged_between(
    connection: Connection, store_id: str, *, first: date, last: date
) -> list[Judged]:
    """What people resolved of the earnings of the UTC days `first` to `last`."""
    rows = await connection.fetch(_JUDGED, store_id, *span(first, last))
    return [
        Judged(row["type"], row["resolution"], frozenset(_texts(row["transaction_ids"])))
        for row in rows
    ]


async def listed(
    connection: Connection, wanted: AnomalyFilter, *, limit: int, after: UUID | None
) -> tuple[list[Anomaly], int]:
    """Up to `limit` + 1 anomalies older than `after`, newest first, and how many match in all (at
    most COUNT_LIMIT + 1)."""
    matching = select(anomalies).where(*_conditions(wanted))
    page = matching.order_by(anomalies.c.id.desc()).limit(limit + 1)
    if after is not None:
        page = page.where(anomalies.c.id < after)
    return [_anomaly(row) for row in await fetch(connection, page)], await _count(
        connection, matching
    )


async def _count(connection: Connection, matching: Select[Any]) -> int:
    some = matching.with_only_columns(anomalies.c.id).limit(COUNT_LIMIT + 1).subquery()
    (row,) = await fetch(connection, select(func.count()).select_from(some))
    count: int = row[0]
    return count


def _conditions(wanted: AnomalyFilter) -> list[ColumnElement[bool]]:
    conditions = [
        anomalies.c.store_id == wanted.store_id,
        anomalies.c.mode == "review",
        anomalies.c.status.in_([*OPEN, "resolved"])
        if wanted.status is None
        else anomalies.c.status == wanted.status,
    ]
    if wanted.type is not None:
        conditions.append(anomalies.c.type == wanted.type)
    if wanted.customer_id is not None:
        conditions.append(anomalies.c.customer_id == wanted.customer_id)
    return conditions


def _texts(ids: Iterable[UUID]) -> tuple[str, ...]:
    return tuple(f"{ID_PREFIX}{one}" for one in ids)


def _row(one: Anomaly) -> tuple[object, ...]:
    return (
        one.id,
        one.store_id,
        one.customer_id,
        one.type,
        one.mode,
        one.revision,
        one.version,
        one.description,
        one.points,
        [id_.removeprefix(ID_PREFIX) for id_ in one.transaction_ids],
        moment(one.first_at),
        moment(one.last_at),
        msgspec.json.encode(one.evidence).decode(),
        one.status,
        one.flagged_at,
        one.merged_into,
        one.resolution,
        one.note,
        one.reviewed_by,
        one.resolved_at,
    )


def _anomaly(row: Any) -> Anomaly:
    return Anomaly(
        id=UUID(int=row["id"].int),
        store_id=row["store_id"],
        customer_id=row["customer_id"],
        type=row["type"],
        mode=row["mode"],
        revision=row["revision"],
        version=row["version"],
        description=row["description"],
        points=row["points"],
        transaction_ids=_texts(row["transaction_ids"]),
        first_at=milliseconds(row["first_at"]),
        last_at=milliseconds(row["last_at"]),
        evidence=msgspec.json.decode(row["evidence"]),
        status=row["status"],
        flagged_at=row["flagged_at"].astimezone(UTC),
        merged_into=None if row["merged_into"] is None else UUID(int=row["merged_into"].int),
        resolution=row["resolution"],
        note=row["note"],
        reviewed_by=row["reviewed_by"],
        resolved_at=None if row["resolved_at"] is None else row["resolved_at"].astimezone(UTC),
    )
