"""The forecasts of stores, and the passes that renew them: each reads the accounts of a store in slices.

The state of a pass is in the table, so that any process reads the next slice, and a stopped one loses none.
"""

from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec
from msgspec import Struct

from libs.persistence.engine import Connection
from services.earning.domain.forecasts import ActiveAccount, DayForecast, Forecast

# The stores with a setting, and by the partial index `accounts_dated` those with dates of their own.
_ADD_STORES: Final = """
WITH RECURSIVE dated (store_id) AS (
    (SELECT store_id FROM accounts WHERE due_at IS NOT NULL ORDER BY store_id LIMIT 1)
    UNION ALL
    SELECT (
        SELECT a.store_id FROM accounts a WHERE a.due_at IS NOT NULL AND a.store_id > dated.store_id
        ORDER BY a.store_id LIMIT 1
    ) FROM dated WHERE dated.store_id IS NOT NULL
)
INSERT INTO expiration_forecasts (store_id)
SELECT store_id FROM dated WHERE store_id IS NOT NULL
UNION SELECT store_id FROM programs WHERE has_lifecycle
EXCEPT SELECT store_id FROM expiration_forecasts
ON CONFLICT DO NOTHING
"""
_TAKE: Final = """
SELECT store_id, began_at, place, sums::text AS sums FROM expiration_forecasts
WHERE next_at <= clock_timestamp() ORDER BY next_at LIMIT 1 FOR UPDATE SKIP LOCKED
"""
_TAKE_ONE: Final = """
SELECT store_id, began_at, place, sums::text AS sums FROM expiration_forecasts
WHERE store_id = $1 AND next_at <= clock_timestamp() FOR UPDATE
"""
_READ_ACCOUNTS: Final = """
SELECT customer_id, balance, sequence, cycle FROM accounts
WHERE store_id = $1 AND customer_id > $2 AND NOT suspended ORDER BY customer_id LIMIT $3
"""
_READ_DATED_ACCOUNTS: Final = """
SELECT customer_id, balance, sequence, cycle FROM accounts
WHERE store_id = $1 AND customer_id > $2 AND NOT suspended AND due_at IS NOT NULL ORDER BY customer_id LIMIT $3
"""
# Stores take turns: the next slice of this one comes after those of the stores that wait.
_GO_ON: Final = """
UPDATE expiration_forecasts
SET began_at = $2, place = $3, sums = $4::text::jsonb, next_at = clock_timestamp()
WHERE store_id = $1
"""
_COMPLETE: Final = """
UPDATE expiration_forecasts
SET as_of = $2, days = $3::text::jsonb, began_at = NULL, place = '', sums = '[]',
    next_at = clock_timestamp() + $4::interval
WHERE store_id = $1
"""
_START_OVER: Final = """
UPDATE expiration_forecasts
SET began_at = NULL, place = '', sums = '[]', next_at = clock_timestamp() + $2::interval
WHERE store_id = $1
"""
_READ: Final = "SELECT as_of, days::text AS days FROM expiration_forecasts WHERE store_id = $1"

_decode_days: Final = msgspec.json.Decoder(list[DayForecast]).decode


class ForecastPass(Struct):
    """A pass over the accounts of a store, which began at `began_at` on the store's clock. `forecast` has those
    up to the customer `place`."""

    store_id: str
    began_at: datetime | None
    place: str
    forecast: Forecast


class StoredForecast(Struct, frozen=True):
    """The forecast as of an instant on the store's clock."""

    as_of: datetime
    days: list[DayForecast]


async def add_stores(connection: Connection) -> bool:
    """Begin to forecast stores in which points may expire; returns whether there were new ones."""
    return await connection.execute(_ADD_STORES) != "INSERT 0 0"


async def take(connection: Connection, store_id: str | None = None) -> ForecastPass | None:
    """The pass whose next slice is due, locked until the transaction ends; None if none is. Of all stores, passes
    that others have locked are left out; that of one store is waited for."""
    row = await (
        connection.fetchrow(_TAKE) if store_id is None else connection.fetchrow(_TAKE_ONE, store_id)
    )
    if row is None:
        return None
    began_at = None if row["began_at"] is None else row["began_at"].astimezone(UTC)
    return ForecastPass(
        row["store_id"], began_at, row["place"], Forecast(_decode_days(row["sums"]))
    )


async def read_accounts(
    connection: Connection, pass_: ForecastPass, *, limit: int, only_dated: bool
) -> list[ActiveAccount]:
    """The next accounts of the pass that are not suspended, up to `limit`, and move its place behind them.
    `only_dated`: those on which something is due some day."""
    query = _READ_DATED_ACCOUNTS if only_dated else _READ_ACCOUNTS
    rows = await connection.fetch(query, pass_.store_id, pass_.place, limit)
    if rows:
        pass_.place = rows[-1]["customer_id"]
    return [ActiveAccount(row["balance"], row["sequence"], row["cycle"]) for row in rows]


async def go_on(connection: Connection, pass_: ForecastPass) -> None:
    """Store how far the pass is."""
    sums = _encode(pass_.forecast)
    await connection.execute(_GO_ON, pass_.store_id, pass_.began_at, pass_.place, sums)


async def complete(
    connection: Connection, pass_: ForecastPass, *, can_expire: bool, rest: timedelta
) -> None:
    """Store the forecast of the complete pass; the next one begins after `rest`. Unless something `can_expire`,
    the store has no forecast."""
    as_of = pass_.began_at if can_expire else None
    await connection.execute(_COMPLETE, pass_.store_id, as_of, _encode(pass_.forecast), rest)


async def start_over(
    connection: Connection, store_id: str, *, rest: timedelta = timedelta(0)
) -> None:
    """Begin a new pass after `rest`, if the store is forecast: what the one so far has read is not used."""
    await connection.execute(_START_OVER, store_id, rest)


async def read(connection: Connection, store_id: str) -> StoredForecast | None:
    """The store's forecast; None if nothing can expire in it, or none is complete yet."""
    row = await connection.fetchrow(_READ, store_id)
    if row is None or row["as_of"] is None:
        return None
    return StoredForecast(row["as_of"].astimezone(UTC), _decode_days(row["days"]))


def _encode(forecast: Forecast) -> str:
    return msgspec.json.encode(forecast.days).decode()
