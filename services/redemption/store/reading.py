"""The queries that callers read redemptions with, and what the sweeper looks for."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from msgspec import Struct
from sqlalchemy import ColumnElement, func, select

from libs.persistence.engine import Connection
from libs.persistence.statement import fetch
from services.redemption.domain.redemptions import Redemption
from services.redemption.store.desk import redemption_of
from services.redemption.tables import redemptions

_UNSETTLED: Final = """
SELECT * FROM redemptions
WHERE status IN ('reserved', 'cancelling') AND changed_at < now() - $1::interval
ORDER BY changed_at LIMIT $2
"""


class RedemptionFilter(Struct, frozen=True, kw_only=True):
    """Which redemptions of a store: without a status, all but the attempts that were refused, which
    never took place."""

    store_id: str
    customer_id: str | None = None
    status: str | None = None


async def redemption(
    connection: Connection, store_id: str, redemption_id: UUID | None
) -> Redemption | None:
    """One redemption of the store, or None."""
    row: Any = await connection.fetchrow(
        "SELECT * FROM redemptions WHERE store_id = $1 AND id = $2", store_id, redemption_id
    )
    return None if row is None else redemption_of(row)


async def listed(
    connection: Connection,
    wanted: RedemptionFilter,
    *,
    limit: int,
    after: UUID | None,
    count_limit: int,
) -> tuple[Sequence[Redemption], int]:
    """Up to `limit` + 1 redemptions older than `after`, newest first, and how many match in all,
    counted up to `count_limit` + 1."""
    conditions = _matching(wanted)
    page = select(redemptions).where(*conditions).order_by(redemptions.c.id.desc())
    if after is not None:
        page = page.where(redemptions.c.id < after)
    matching = select(redemptions.c.id).where(*conditions).limit(count_limit + 1).subquery()
    (counted,) = await fetch(connection, select(func.count()).select_from(matching))
    rows = await fetch(connection, page.limit(limit + 1))
    return [redemption_of(row) for row in rows], counted[0]


async def unsettled(
    connection: Connection, *, older_than: timedelta, limit: int
) -> Sequence[Redemption]:
    """Redemptions that nobody has brought to an end for so long, the oldest first."""
    return [redemption_of(row) for row in await connection.fetch(_UNSETTLED, older_than, limit)]


def _matching(wanted: RedemptionFilter) -> list[ColumnElement[bool]]:
    conditions = [redemptions.c.store_id == wanted.store_id]
    if wanted.customer_id is not None:
        conditions.append(redemptions.c.customer_id == wanted.customer_id)
    conditions.append(
        redemptions.c.status != "released"
        if wanted.status is None
        else redemptions.c.status == wanted.status
    )
    return conditions
