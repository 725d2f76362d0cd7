"""Pending awards, as a batch of the ledger reads and writes them."""

from collections.abc import Collection, Sequence
from datetime import UTC, date
from typing import Any, Final

import asyncpg

from libs.persistence.engine import Connection
from libs.persistence.errors import check_rows
from services.earning.domain.batch import LedgerBatch
from services.earning.domain.dates import Day, to_date, to_day
from services.earning.domain.order_records import OrderKey
from services.earning.domain.pending import Window
from services.earning.domain.pending_awards import PendingAward

SELECT: Final = """
SELECT p.store_id, p.order_id, p.account_id, p.sequence, p.points, p.given_up, p.days, p.wait_on,
       p.release_at, p.awaits_fulfillment, p.earn_sequence, e.reason, e.occurred_at, e.program_version_id, e.tier,
       v.program_id
"""
JOIN: Final = """
JOIN entries e ON e.account_id = p.account_id AND e.sequence = p.sequence
LEFT JOIN program_versions v ON v.id = e.program_version_id
"""
_READ: Final = f"""
{SELECT}
FROM unnest($1::text[], $2::text[]) AS keys (store_id, order_id)
JOIN pending_awards p USING (store_id, order_id)
{JOIN}
"""
_READ_DUE: Final = f"""
{SELECT}
FROM unnest($1::bigint[]) AS ids (account_id)
JOIN pending_awards p ON p.account_id = ids.account_id AND p.wait_on <= $2
{JOIN}
"""
_WRITE: Final = """
INSERT INTO pending_awards (store_id, order_id, account_id, sequence, points, given_up, days, wait_on,
                            release_at, awaits_fulfillment, earn_sequence)
SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[],
                     $7::integer[], $8::date[], $9::timestamptz[], $10::boolean[],
                     $11::bigint[])
ON CONFLICT (store_id, order_id) DO UPDATE
SET points = excluded.points, given_up = excluded.given_up, wait_on = excluded.wait_on,
    release_at = excluded.release_at, awaits_fulfillment = excluded.awaits_fulfillment,
    earn_sequence = excluded.earn_sequence
"""


async def read(connection: Connection, keys: Collection[OrderKey]) -> list[PendingAward]:
    """The awards of those of the orders `keys` whose points waited."""
    if not keys:
        return []
    stores, orders = map(list, zip(*keys, strict=True))
    return [award(row) for row in await connection.fetch(_READ, stores, orders)]


async def read_due(
    connection: Connection, account_ids: Sequence[int], *, until: Day
) -> list[PendingAward]:
    """The awards of the accounts that wait until a day up to `until`."""
    if not account_ids:
        return []
    rows = await connection.fetch(_READ_DUE, account_ids, to_date(until))
    return [award(row) for row in rows]


def award(row: asyncpg.Record) -> PendingAward:
    window = read_window(row)
    return PendingAward(
        key=(row["store_id"], row["order_id"]),
        account_id=row["account_id"],
        sequence=row["sequence"],
        points=row["points"],
        reason=row["reason"],
        occurred_at=row["occurred_at"].astimezone(UTC),
        program_version_id=row["program_version_id"],
        program=row["program_id"],
        tier=row["tier"],
        window=window,
        wait_on=None if window is None else to_day(row["wait_on"]),
        given_up=row["given_up"],
        earn_sequence=row["earn_sequence"],
    )


def read_window(row: Any) -> Window | None:
    """The window of an award that waits, from its columns; None if it does not."""
    if row["wait_on"] is None:
        return None
    days, wait_on, release_at = row["days"], to_day(row["wait_on"]), row["release_at"]
    if release_at is not None:
        return Window(days=days, release_at=release_at.astimezone(UTC))
    if row["awaits_fulfillment"]:
        return Window(days=days, give_up_on=wait_on)
    return Window(days=days, release_on=wait_on)


async def save(connection: Connection, batch: LedgerBatch) -> None:
    """Write the awards that changed."""
    changed: dict[OrderKey, PendingAward] = batch.changed(PendingAward)
    if not changed:
        return
    awards = [changed[key] for key in sorted(changed)]
    status = await connection.execute(
        _WRITE,
        [award.key[0] for award in awards],
        [award.key[1] for award in awards],
        [award.account_id for award in awards],
        [award.sequence for award in awards],
        [award.points for award in awards],
        [award.given_up for award in awards],
        [0 if award.window is None else award.window.days for award in awards],
        [_date(award.wait_on) for award in awards],
        [award.release_at for award in awards],
        [award.gives_up for award in awards],
        [award.earn_sequence for award in awards],
    )
    check_rows(status, len(awards))


def _date(day: Day | None) -> date | None:
    return None if day is None else to_date(day)
