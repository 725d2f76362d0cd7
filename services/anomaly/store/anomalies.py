"""Anomalies and their reviews: read for the judgment, written in batches, listed for people."""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from typing import Any, Final
from uuid import UUID

import msgspec
from msgspec import Struct
from sqlalchemy import ColumnElement, Select, func, literal, select, tuple_

from libs.contracts.anomalies import AnomalyType, Resolution
from libs.persistence.columns import numbers
from libs.persistence.engine import Connection
from libs.persistence.pages import COUNT_LIMIT
from libs.persistence.statement import fetch
from services.anomaly.domain.anomalies import OPEN, Anomaly, Review
from services.anomaly.store.earnings import ID_PREFIX, Customer, milliseconds, moment, span
from services.anomaly.tables import anomalies

_FIND_BY_CUSTOMER: Final = """
SELECT a.nth, o.* FROM unnest($1::text[], $2::text[], $3::timestamptz[])
     WITH ORDINALITY AS a (store_id, customer_id, since, nth)
JOIN anomalies o
  ON o.store_id = a.store_id AND o.customer_id = a.customer_id AND o.last_at >= a.since
WHERE o.status <> 'withdrawn'
"""
# Transaction ids come as one array literal per row, since unnest would flatten arrays of arrays.
_PUT: Final = """
INSERT INTO anomalies (id, store_id, customer_id, type, mode, revision, version, description, points,
                       transaction_ids, first_at, last_at, evidence, status, flagged_at, merged_into,
                       resolution, note, reviewed_by, resolved_at, reviewer, in_review_at, updated_at)
SELECT id, store_id, customer_id, type, mode, revision, version, description, points,
       transaction_ids::uuid[], first_at, last_at, evidence, status, flagged_at, merged_into,
       resolution, note, reviewed_by, resolved_at, reviewer, in_review_at, updated_at
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::integer[],
            $7::integer[], $8::text[], $9::bigint[], $10::text[], $11::timestamptz[],
            $12::timestamptz[], $13::text[], $14::text[], $15::timestamptz[], $16::uuid[],
            $17::text[], $18::text[], $19::text[], $20::timestamptz[], $21::text[],
            $22::timestamptz[], $23::timestamptz[])
     AS a (id, store_id, customer_id, type, mode, revision, version, description, points,
           transaction_ids, first_at, last_at, evidence, status, flagged_at, merged_into,
           resolution, note, reviewed_by, resolved_at, reviewer, in_review_at, updated_at)
ON CONFLICT (id) DO UPDATE
SET version = excluded.version, description = excluded.description, points = excluded.points,
    transaction_ids = excluded.transaction_ids, first_at = excluded.first_at,
    last_at = excluded.last_at, evidence = excluded.evidence, status = excluded.status,
    merged_into = excluded.merged_into, resolution = excluded.resolution, note = excluded.note,
    reviewed_by = excluded.reviewed_by, resolved_at = excluded.resolved_at,
    reviewer = excluded.reviewer, in_review_at = excluded.in_review_at,
    updated_at = excluded.updated_at
"""
_ADD_REVIEW: Final = """
INSERT INTO reviews (anomaly_id, version, status, resolution, note, reviewed_by, reviewer, reviewed_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, now())
"""
_RESOLVED: Final = """
SELECT type, resolution, transaction_ids FROM anomalies
WHERE store_id = $1 AND status = 'resolved' AND mode = 'review' AND last_at >= $2 AND last_at < $3
"""


class AnomalyFilter(Struct, frozen=True, kw_only=True):
    """The filters of a store's list of anomalies, and its order; None matches all, and so does no
    status. `mode` is review, or shadow for what people do not review."""

    store_id: str
    statuses: tuple[str, ...] = ()
    type: str | None = None
    resolution: str | None = None
    customer_id: str | None = None
    flagged_after: datetime | None = None
    flagged_before: datetime | None = None
    mode: str = "review"
    order: str = "-flagged_at"


class ResolvedAnomaly(Struct, frozen=True):
    """A resolved anomaly, as far as a backtest compares with it."""

    type: AnomalyType
    resolution: Resolution
    transaction_ids: frozenset[str]


async def find_by_customer(
    connection: Connection, customers: Sequence[Customer], since: Sequence[int]
) -> dict[Customer, list[Anomaly]]:
    """The customers' anomalies with earnings from each customer's `since` (milliseconds) on, also
    those in shadow."""
    by_customer: dict[Customer, list[Anomaly]] = {customer: [] for customer in customers}
    rows = await connection.fetch(
        _FIND_BY_CUSTOMER,
        [store_id for store_id, _ in customers],
        [customer_id for _, customer_id in customers],
        [moment(at) for at in since],
    )
    for row in rows:
        by_customer[customers[row["nth"] - 1]].append(_anomaly(row))
    return by_customer


async def find(
    connection: Connection, store_id: str, anomaly_id: UUID, *, mode: str = "review"
) -> Anomaly | None:
    """An anomaly of the mode by its id, also a withdrawn one; None for one in shadow unless that is the
    mode, since nobody reviews it."""
    rows = await fetch(
        connection,
        select(anomalies).where(
            anomalies.c.id == anomaly_id,
            anomalies.c.store_id == store_id,
            anomalies.c.mode == mode,
        ),
    )
    return _anomaly(rows[0]) if rows else None


async def put(connection: Connection, changed: Sequence[Anomaly]) -> None:
    """Write the current versions of anomalies, new and changed."""
    if changed:
        await connection.execute(_PUT, *zip(*map(_row, changed), strict=True))


async def add_review(connection: Connection, anomaly: Anomaly, review: Review) -> None:
    """Record who decided what, and why."""
    await connection.execute(
        _ADD_REVIEW,
        anomaly.id,
        anomaly.version,
        review.status,
        review.resolution,
        review.note,
        review.reviewed_by,
        review.reviewer,
    )


async def resolved_between(
    connection: Connection, store_id: str, *, first: date, last: date
) -> list[ResolvedAnomaly]:
    """The resolved anomalies of the UTC days `first` to `last`, by their last earning."""
    rows = await connection.fetch(_RESOLVED, store_id, *span(first, last))
    return [
        ResolvedAnomaly(
            row["type"], row["resolution"], frozenset(_transaction_ids(row["transaction_ids"]))
        )
        for row in rows
    ]


async def list_page(
    connection: Connection, filters: AnomalyFilter, *, limit: int, after: Anomaly | None
) -> tuple[list[Anomaly], int]:
    """Up to `limit` + 1 anomalies behind `after` in the order of the filters, and the number of all
    that match (at most COUNT_LIMIT + 1). Ids are in the order in which anomalies were flagged."""
    matching = select(anomalies).where(*_conditions(filters))
    id_, points = anomalies.c.id, anomalies.c.points
    if filters.order == "flagged_at":
        page = matching.order_by(id_)
        behind = None if after is None else id_ > after.id
    elif filters.order == "-points_involved":
        page = matching.order_by(points.desc(), id_.desc())
        behind = None if after is None else tuple_(points, id_) < _position(after)
    else:
        page = matching.order_by(id_.desc())
        behind = None if after is None else id_ < after.id
    page = page.limit(limit + 1)
    if behind is not None:
        page = page.where(behind)
    return [_anomaly(row) for row in await fetch(connection, page)], await _count(
        connection, matching
    )


def _position(anomaly: Anomaly) -> ColumnElement[Any]:
    """Where an anomaly stands in the list by points; without types, points would be 32 bits wide."""
    columns = anomalies.c
    return tuple_(
        literal(anomaly.points, columns.points.type), literal(anomaly.id, columns.id.type)
    )


async def _count(connection: Connection, matching: Select[Any]) -> int:
    counted = matching.with_only_columns(anomalies.c.id).limit(COUNT_LIMIT + 1).subquery()
    (row,) = await fetch(connection, select(func.count()).select_from(counted))
    count: int = row[0]
    return count


def _conditions(filters: AnomalyFilter) -> list[ColumnElement[bool]]:
    conditions = [
        anomalies.c.store_id == filters.store_id,
        anomalies.c.mode == filters.mode,
        anomalies.c.status.in_(filters.statuses or [*OPEN, "resolved"]),
    ]
    if filters.type is not None:
        conditions.append(anomalies.c.type == filters.type)
    if filters.resolution is not None:
        conditions.append(anomalies.c.resolution == filters.resolution)
    if filters.customer_id is not None:
        conditions.append(anomalies.c.customer_id == filters.customer_id)
    if filters.flagged_after is not None:
        conditions.append(anomalies.c.flagged_at >= filters.flagged_after)
    if filters.flagged_before is not None:
        conditions.append(anomalies.c.flagged_at <= filters.flagged_before)
    return conditions


def _transaction_ids(ids: Iterable[UUID]) -> tuple[str, ...]:
    return tuple(f"{ID_PREFIX}{id_}" for id_ in ids)


def _row(anomaly: Anomaly) -> tuple[object, ...]:
    return (
        anomaly.id,
        anomaly.store_id,
        anomaly.customer_id,
        anomaly.type,
        anomaly.mode,
        anomaly.settings_revision,
        anomaly.version,
        anomaly.description,
        anomaly.points,
        numbers(id_.removeprefix(ID_PREFIX) for id_ in anomaly.transaction_ids),
        moment(anomaly.first_at),
        moment(anomaly.last_at),
        msgspec.json.encode(anomaly.evidence).decode(),
        anomaly.status,
        anomaly.flagged_at,
        anomaly.merged_into,
        anomaly.resolution,
        anomaly.note,
        anomaly.reviewed_by,
        anomaly.resolved_at,
        anomaly.reviewer,
        anomaly.in_review_at,
        anomaly.updated_at,
    )


def _anomaly(row: Any) -> Anomaly:
    return Anomaly(
        id=UUID(int=row["id"].int),
        store_id=row["store_id"],
        customer_id=row["customer_id"],
        type=row["type"],
        mode=row["mode"],
        settings_revision=row["revision"],
        version=row["version"],
        description=row["description"],
        points=row["points"],
        transaction_ids=_transaction_ids(row["transaction_ids"]),
        first_at=milliseconds(row["first_at"]),
        last_at=milliseconds(row["last_at"]),
        evidence=msgspec.json.decode(row["evidence"]),
        status=row["status"],
        flagged_at=row["flagged_at"].astimezone(UTC),
        merged_into=None if row["merged_into"] is None else UUID(int=row["merged_into"].int),
        resolution=row["resolution"],
        note=row["note"],
        reviewed_by=row["reviewed_by"],
        resolved_at=_in_utc(row["resolved_at"]),
        reviewer=row["reviewer"],
        in_review_at=_in_utc(row["in_review_at"]),
        updated_at=_in_utc(row["updated_at"]),
    )


def _in_utc(time: datetime | None) -> datetime | None:
    return None if time is None else time.astimezone(UTC)
