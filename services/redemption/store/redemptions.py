"""Redemptions in PostgreSQL: the queries of callers and of the sweeper."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy import ColumnElement, func, select, text

from libs.persistence.engine import Connection
from libs.persistence.pages import COUNT_LIMIT, Listed
from libs.persistence.statement import fetch
from services.redemption.domain.redemptions import Debit, Redemption
from services.redemption.tables import redemptions

_FIND: Final = "SELECT * FROM redemptions WHERE store_id = $1 AND id = $2"
_FIND_BY_CODE: Final = "SELECT * FROM redemptions WHERE store_id = $1 AND code = $2"
_UNSETTLED: Final = """
SELECT * FROM redemptions
WHERE status IN ('reserved', 'cancelling') AND changed_at < now() - $1::interval
ORDER BY changed_at LIMIT $2
"""
# The condition of the index redemptions_unsettled, which holds few rows. As parameters it would not match.
_UNSETTLED_INDEX: Final = text("redemptions.status IN ('reserved', 'cancelling')")


class RedemptionFilter(Struct, frozen=True, kw_only=True):
    """Which redemptions of a store. Without a status, all but released ones, which never took place.
    A `code` is in the form in which codes are made."""

    store_id: str
    customer_id: str | None = None
    status: str | None = None
    code: str | None = None
    reward_id: str | None = None


async def find(
    connection: Connection, store_id: str, redemption_id: UUID | None
) -> Redemption | None:
    """The redemption of the store, or None."""
    row: Any = await connection.fetchrow(_FIND, store_id, redemption_id)
    return None if row is None else from_row(row)


async def find_by_code(connection: Connection, store_id: str, code: str) -> Redemption | None:
    """The redemption of the store with this code, or None."""
    row: Any = await connection.fetchrow(_FIND_BY_CODE, store_id, code)
    return None if row is None else from_row(row)


async def read_page(
    connection: Connection, criteria: RedemptionFilter, *, limit: int, after: UUID | None
) -> Listed[Redemption]:
    """Up to `limit` redemptions older than `after`, newest first."""
    conditions = _conditions(criteria)
    page = select(redemptions).where(*conditions).order_by(redemptions.c.id.desc())
    if after is not None:
        page = page.where(redemptions.c.id < after)
    matching = select(redemptions.c.id).where(*conditions).limit(COUNT_LIMIT + 1).subquery()
    (counted,) = await fetch(connection, select(func.count()).select_from(matching))
    rows = await fetch(connection, page.limit(limit + 1))
    items = [from_row(row) for row in rows[:limit]]
    return Listed(items, has_more=len(rows) > limit, counted=counted[0])


async def find_reservations(
    connection: Connection, criteria: RedemptionFilter, *, limit: int
) -> list[Redemption]:
    """Up to `limit` reservations among what the criteria list, whatever status they name."""
    conditions = _conditions(replace(criteria, status="reserved"))
    query = select(redemptions).where(*conditions, _UNSETTLED_INDEX).limit(limit)
    return [from_row(row) for row in await fetch(connection, query)]


async def find_unsettled(
    connection: Connection, *, older_than: timedelta, limit: int
) -> Sequence[Redemption]:
    """Reserved and cancelling redemptions that have not changed for so long, the oldest first."""
    return [from_row(row) for row in await connection.fetch(_UNSETTLED, older_than, limit)]


def from_row(row: Any) -> Redemption:
    """The redemption in a row of the table."""
    debit = None
    if row["transaction_id"] is not None:
        debit = Debit(row["transaction_id"], row["balance_after"], row["debited_at"])
    return Redemption(
        id=UUID(int=row["id"].int),
        store_id=row["store_id"],
        customer_id=row["customer_id"],
        reward_id=row["reward_id"],
        reward_name=row["reward_name"],
        points=row["points"],
        min_tier=row["min_tier"],
        status=row["status"],
        code=row["code"],
        claim_key=row["claim_key"],
        debit=debit,
    )


def _conditions(criteria: RedemptionFilter) -> list[ColumnElement[bool]]:
    conditions = [redemptions.c.store_id == criteria.store_id]
    if criteria.customer_id is not None:
        conditions.append(redemptions.c.customer_id == criteria.customer_id)
    if criteria.code is not None:
        conditions.append(redemptions.c.code == criteria.code)
    if criteria.reward_id is not None:
        conditions.append(redemptions.c.reward_id == criteria.reward_id)
    conditions.append(
        redemptions.c.status != "released"
        if criteria.status is None
        else redemptions.c.status == criteria.status
    )
    return conditions
