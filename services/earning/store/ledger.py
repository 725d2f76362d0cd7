"""One batch of the ledger in PostgreSQL: locks and reads its accounts, writes its entries and records.

The number of statements is the same whatever the size of the batch. Locks are taken in one order: the
stores' programs, the accounts by id, and then, by writing them, the natural keys in sorted order. So
batches wait for each other and never deadlock. If a concurrent transaction wrote a natural key
first, too few rows are written or the key exists already; the batch starts over and finds the key.
"""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Final, TypeVar

import asyncpg

from libs.kernel.clock import format_time, utc_now
from libs.messaging import outbox
from libs.messaging.outbox import EncodedEvent
from libs.persistence.columns import columns, copy, numbers, texts
from libs.persistence.engine import Connection
from libs.persistence.errors import ConcurrentWrite
from services.earning.domain.account_status import MAX_HELD_ORDERS
from services.earning.domain.accounts import Account, AccountKey, Entry
from services.earning.domain.books import Books
from services.earning.domain.days import DayChange
from services.earning.domain.postings import (
    OrderKey,
    OrderRecord,
    RefundKey,
    RefundRecord,
    StatusChange,
)
from services.earning.store import debits, resolutions

# Larger than any batch: an arrival is the batch's number times this, plus the place in the batch.
_LARGEST_BATCH: Final = 100_000

K = TypeVar("K", bound=tuple[str, ...])

_LOCK_ACCOUNTS: Final = r"""
SELECT keys.place, a.id, a.balance, a.lifetime, a.sequence, a.suspended, a.tier, a.member_since,
       a.ctid::text AS ctid
FROM unnest(string_to_array($1, E'\x1f'), string_to_array($2, E'\x1f')) WITH ORDINALITY
  AS keys (store_id, customer_id, place)
JOIN accounts a USING (store_id, customer_id)
ORDER BY a.id
FOR NO KEY UPDATE OF a
"""
_READ_ORDERS: Final = r"""
SELECT o.store_id, o.order_id, o.account_id, o.total, o.currency, o.program_id, o.state, o.skip_reason,
       o.reason, o.occurred_at, o.award, o.refunded, o.refunded_points, o.voided_points
FROM unnest(string_to_array($1, E'\x1f'), string_to_array($2, E'\x1f')) AS keys (store_id, order_id)
JOIN orders o USING (store_id, order_id)
"""
_NEW_ACCOUNT_IDS: Final = """
SELECT nextval(pg_get_serial_sequence('accounts', 'id')) FROM generate_series(1, $1::int)
"""
_CREATE_ACCOUNTS: Final = r"""
INSERT INTO accounts (id, store_id, customer_id, balance, lifetime, sequence, suspended, tier, member_since)
SELECT * FROM unnest($1::text::bigint[], string_to_array($2, E'\x1f'), string_to_array($3, E'\x1f'),
                     $4::text::bigint[], $5::text::bigint[], $6::text::bigint[], $7::text::boolean[],
                     string_to_array($8, E'\x1f', E'\x1e'), $9::text::timestamptz[])
  AS new (id, store_id, customer_id, balance, lifetime, sequence, suspended, tier, member_since)
ORDER BY store_id, customer_id
ON CONFLICT DO NOTHING
"""
# The rows' physical places are known from the lock: a join on ids would scan a large table.
_UPDATE_ACCOUNTS: Final = r"""
UPDATE accounts a
SET balance = new.balance, lifetime = new.lifetime, sequence = new.sequence, suspended = new.suspended,
    tier = new.tier, member_since = coalesce(new.member_since, a.member_since)
FROM unnest(string_to_array($1, E'\x1f')::tid[], $2::text::bigint[], $3::text::bigint[],
            $4::text::bigint[], $5::text::boolean[], string_to_array($6, E'\x1f', E'\x1e'),
            $7::text::timestamptz[])
  AS new (ctid, balance, lifetime, sequence, suspended, tier, member_since)
WHERE a.ctid = new.ctid
"""
_ENTRY_COLUMNS: Final = (
    *("account_id", "sequence", "id", "store_id", "type", "points", "balance_after"),
    *("lifetime_after", "program_version_id", "tier", "reason", "occurred_at", "order_id"),
    *("redemption_id", "reward_id", "reward_name"),
)
_READ_REFUNDS: Final = r"""
SELECT r.store_id, r.order_id, r.refund_id, r.account_id, r.amount, r.state, r.occurred_at, r.points
FROM unnest(string_to_array($1, E'\x1f'), string_to_array($2, E'\x1f'), string_to_array($3, E'\x1f'))
  AS keys (store_id, order_id, refund_id)
JOIN refunds r USING (store_id, order_id, refund_id)
"""
_READ_WAITING_REFUNDS: Final = r"""
SELECT r.store_id, r.order_id, r.refund_id, r.account_id, r.amount, r.state, r.occurred_at, r.points
FROM unnest(string_to_array($1, E'\x1f'), string_to_array($2, E'\x1f')) AS keys (store_id, order_id)
JOIN refunds r USING (store_id, order_id)
WHERE r.state = 'waiting'
ORDER BY r.arrival
"""
_READ_HELD_ORDERS: Final = """
SELECT o.store_id, o.order_id, o.account_id, o.total, o.currency, o.program_id, o.state, o.skip_reason,
       o.reason, o.occurred_at, o.award, o.refunded, o.refunded_points, o.voided_points
FROM unnest($1::bigint[]) AS account_ids (id)
CROSS JOIN LATERAL (
    SELECT * FROM orders WHERE account_id = account_ids.id AND state = 'held'
    ORDER BY arrival LIMIT $2
) AS o
ORDER BY o.account_id, o.arrival
"""
# Drawn under the account locks, so that arrivals ascend for each account.
_NEXT_ARRIVAL: Final = "SELECT nextval('order_arrival')"
_ORDER_COLUMNS: Final = (
    *("store_id", "order_id", "account_id", "total", "currency", "program_id", "state"),
    *("skip_reason", "reason", "occurred_at", "award", "entry_sequence", "refunded"),
    *("refunded_points", "voided_points", "arrival", "recorded_at"),
)
# The changes that a batch may make under the account's lock: replace a skipped order, post or skip a
# held order, refund or void a counted one. In any other case a concurrent transaction came first.
_CHANGE_ORDERS: Final = r"""
INSERT INTO orders AS o (store_id, order_id, account_id, total, currency, program_id, state,
                         skip_reason, reason, occurred_at, award, entry_sequence, refunded,
                         refunded_points, voided_points, arrival, recorded_at)
SELECT * FROM unnest(
    string_to_array($1, E'\x1f'), string_to_array($2, E'\x1f'),
    string_to_array($3, E'\x1f')::bigint[], string_to_array($4, E'\x1f')::numeric[],
    string_to_array($5, E'\x1f'), string_to_array($6, E'\x1f', E'\x1e'),
    string_to_array($7, E'\x1f'), string_to_array($8, E'\x1f', E'\x1e'),
    string_to_array($9, E'\x1f'), string_to_array($10, E'\x1f')::timestamptz[],
    string_to_array($11, E'\x1f')::bigint[], string_to_array($12, E'\x1f', E'\x1e')::bigint[],
    string_to_array($13, E'\x1f')::numeric[], string_to_array($14, E'\x1f')::bigint[],
    string_to_array($15, E'\x1f')::bigint[], string_to_array($16, E'\x1f', E'\x1e')::bigint[],
    string_to_array($17, E'\x1f', E'\x1e')::timestamptz[])
ON CONFLICT (store_id, order_id) DO UPDATE
SET account_id = excluded.account_id, total = excluded.total, currency = excluded.currency,
    program_id = excluded.program_id, state = excluded.state, skip_reason = excluded.skip_reason,
    reason = excluded.reason, occurred_at = excluded.occurred_at, award = excluded.award,
    entry_sequence = coalesce(excluded.entry_sequence, o.entry_sequence),
    refunded = excluded.refunded, refunded_points = excluded.refunded_points,
    voided_points = excluded.voided_points, arrival = excluded.arrival,
    recorded_at = CASE WHEN o.state = 'counted' THEN o.recorded_at ELSE excluded.recorded_at END
WHERE o.state = 'skipped'
   OR o.account_id = excluded.account_id AND (o.state, excluded.state) IN
      (('held', 'counted'), ('held', 'skipped'))
   OR o.account_id = excluded.account_id AND (o.state, excluded.state) = ('counted', 'counted')
      AND excluded.entry_sequence IS NULL
"""
# Only a waiting refund changes: it counts, or it contradicts its order.
_RECORD_REFUNDS: Final = r"""
INSERT INTO refunds AS r (store_id, order_id, refund_id, account_id, amount, state, detail, points,
                          entry_sequence, occurred_at, arrival, recorded_at)
SELECT * FROM unnest(
    string_to_array($1, E'\x1f'), string_to_array($2, E'\x1f'), string_to_array($3, E'\x1f'),
    $4::text::bigint[], $5::text::numeric[], string_to_array($6, E'\x1f'),
    string_to_array($7, E'\x1f', E'\x1e'), $8::text::bigint[], $9::text::bigint[],
    $10::text::timestamptz[], $11::text::bigint[], $12::text::timestamptz[])
ON CONFLICT (store_id, order_id, refund_id) DO UPDATE
SET state = excluded.state, detail = excluded.detail, points = excluded.points,
    entry_sequence = excluded.entry_sequence
WHERE r.state = 'waiting' AND excluded.state <> 'waiting'
"""
_INSERT_STATUS_CHANGES: Final = """
INSERT INTO status_changes (account_id, status, note, changed_by)
SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[])
"""
_INSERT_MANUAL_ENTRIES: Final = """
INSERT INTO manual_entries (account_id, sequence, posted_by)
SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::text[])
"""
_INSERT_DAY_CHANGES: Final = r"""
INSERT INTO day_changes (store_id, day, issued, redeemed, taken_back, expired, account_ids)
SELECT store_id, day, issued, redeemed, taken_back, expired, account_ids::bigint[]
FROM unnest(string_to_array($1, E'\x1f'), $2::text::date[], $3::text::bigint[], $4::text::bigint[],
            $5::text::bigint[], $6::text::bigint[], string_to_array($7, E'\x1f'))
  AS new (store_id, day, issued, redeemed, taken_back, expired, account_ids)
"""


async def lock_accounts(
    connection: Connection, keys: Iterable[AccountKey]
) -> dict[AccountKey, Account]:
    """Lock the accounts that exist, in the order of their ids, and wait for concurrent batches."""
    ordered = list(keys)
    rows = await connection.fetch(
        _LOCK_ACCOUNTS, texts(key[0] for key in ordered), texts(key[1] for key in ordered)
    )
    return {ordered[row["place"] - 1]: _account(ordered[row["place"] - 1], row) for row in rows}


def _account(key: AccountKey, row: asyncpg.Record) -> Account:
    return Account(
        store_id=key[0],
        customer_id=key[1],
        id=row["id"],
        balance=row["balance"],
        lifetime=row["lifetime"],
        sequence=row["sequence"],
        suspended=row["suspended"],
        tier=row["tier"],
        member_since=row["member_since"],
        ctid=row["ctid"],
    )


async def read_orders(
    connection: Connection, keys: Iterable[OrderKey]
) -> dict[OrderKey, OrderRecord]:
    """The orders recorded under `keys`. Their accounts must be locked already, so that no order can
    change meanwhile."""
    ordered = list(keys)
    if not ordered:
        return {}
    rows = await connection.fetch(
        _READ_ORDERS, texts(key[0] for key in ordered), texts(key[1] for key in ordered)
    )
    return {(row["store_id"], row["order_id"]): _order(row) for row in rows}


async def read_refunds(
    connection: Connection, keys: Iterable[RefundKey]
) -> dict[RefundKey, RefundRecord]:
    """The refunds recorded under `keys`; their accounts must be locked already."""
    ordered = list(keys)
    if not ordered:
        return {}
    rows = await connection.fetch(
        _READ_REFUNDS, *(texts(key[part] for key in ordered) for part in range(3))
    )
    return {(row["store_id"], row["order_id"], row["refund_id"]): _refund(row) for row in rows}


async def read_waiting_refunds(
    connection: Connection, keys: Iterable[OrderKey]
) -> dict[OrderKey, list[RefundRecord]]:
    """The refunds that wait for the orders `keys`, in the order of arrival."""
    ordered = list(keys)
    if not ordered:
        return {}
    refunds: dict[OrderKey, list[RefundRecord]] = {}
    for row in await connection.fetch(
        _READ_WAITING_REFUNDS, texts(key[0] for key in ordered), texts(key[1] for key in ordered)
    ):
        refunds.setdefault((row["store_id"], row["order_id"]), []).append(_refund(row))
    return refunds


async def read_held_orders(
    connection: Connection, accounts: Iterable[Account]
) -> dict[AccountKey, list[OrderRecord]]:
    """The held orders of `accounts` in the order of arrival: up to one more than a batch posts, so
    that the rule sees whether there are more."""
    key_of = {account.id: account.key for account in accounts}
    if not key_of:
        return {}
    orders: dict[AccountKey, list[OrderRecord]] = {key: [] for key in key_of.values()}
    for row in await connection.fetch(_READ_HELD_ORDERS, list(key_of), MAX_HELD_ORDERS + 1):
        orders[key_of[row["account_id"]]].append(_order(row))
    return orders


def _refund(row: asyncpg.Record) -> RefundRecord:
    return RefundRecord(
        store_id=row["store_id"],
        order_id=row["order_id"],
        refund_id=row["refund_id"],
        account=None,
        account_id=row["account_id"],
        amount=row["amount"],
        state=row["state"],
        occurred_at=row["occurred_at"],
        points=row["points"],
    )


def _order(row: asyncpg.Record) -> OrderRecord:
    return OrderRecord(
        store_id=row["store_id"],
        order_id=row["order_id"],
        account=None,
        account_id=row["account_id"],
        total=row["total"],
        currency=row["currency"],
        program_id=row["program_id"],
        state=row["state"],
        reason=row["reason"],
        occurred_at=row["occurred_at"],
        skip_reason=row["skip_reason"],
        award=row["award"],
        refunded=row["refunded"],
        refunded_points=row["refunded_points"],
        voided_points=row["voided_points"],
    )


async def write(connection: Connection, books: Books, events: Sequence[EncodedEvent]) -> None:
    """Write the entries and records of a batch; raises ConcurrentWrite if a concurrent transaction was first."""
    accounts = books.accounts_to_write.values()
    await _create_accounts(connection, [account for account in accounts if account.id is None])
    await _update_accounts(
        connection, [account for account in accounts if account.ctid is not None]
    )
    await _insert_entries(connection, books.entries)
    await _insert_manual_entries(connection, books.manual_entries)
    await _record_orders(connection, books)
    await _record_refunds(connection, books.refunds)
    await debits.record_debits(connection, books.debits)
    await resolutions.record_resolutions(connection, books.resolutions, books.voids)
    await _insert_status_changes(connection, books.status_changes)
    await _insert_day_changes(connection, books.entries)
    # After the account locks, so that each account's events are published in the order of commits.
    await outbox.append(connection, events)


async def _create_accounts(connection: Connection, accounts: Sequence[Account]) -> None:
    if not accounts:
        return
    ids = await connection.fetch(_NEW_ACCOUNT_IDS, len(accounts))
    for account, (account_id,) in zip(accounts, ids, strict=True):
        account.id = account_id
    status = await connection.execute(
        _CREATE_ACCOUNTS,
        numbers(account.id for account in accounts),
        texts(account.store_id for account in accounts),
        texts(account.customer_id for account in accounts),
        numbers(account.balance for account in accounts),
        numbers(account.lifetime for account in accounts),
        numbers(account.sequence for account in accounts),
        numbers(account.suspended for account in accounts),
        texts(account.tier for account in accounts),
        numbers(_time(account.member_since) for account in accounts),
    )
    _expect(status, "INSERT 0", len(accounts))


async def _update_accounts(connection: Connection, accounts: Sequence[Account]) -> None:
    if not accounts:
        return
    status = await connection.execute(
        _UPDATE_ACCOUNTS,
        texts(account.ctid for account in accounts),
        numbers(account.balance for account in accounts),
        numbers(account.lifetime for account in accounts),
        numbers(account.sequence for account in accounts),
        numbers(account.suspended for account in accounts),
        texts(account.tier for account in accounts),
        numbers(
            _time(account.member_since) if account.member_since_changed else None
            for account in accounts
        ),
    )
    _expect(status, "UPDATE", len(accounts))


async def _insert_entries(connection: Connection, entries: Sequence[Entry]) -> None:
    if entries:
        await copy(connection, "entries", _ENTRY_COLUMNS, map(_entry_row, entries))


async def _insert_manual_entries(connection: Connection, entries: Sequence[Entry]) -> None:
    if entries:
        await connection.execute(
            _INSERT_MANUAL_ENTRIES,
            [entry.account.id for entry in entries],
            [entry.sequence for entry in entries],
            [entry.posted_by for entry in entries],
        )


def _entry_row(entry: Entry) -> tuple[object, ...]:
    return (
        entry.account.id,
        entry.sequence,
        entry.id,
        entry.account.store_id,
        entry.type,
        entry.points,
        entry.balance_after,
        entry.lifetime_after,
        None if entry.program is None else entry.program.version_id,
        None if entry.tier is None else entry.tier.name,
        entry.reason,
        format_time(entry.occurred_at),
        entry.order_id,
        entry.redemption_id,
        None if entry.reward is None else entry.reward.id,
        None if entry.reward is None else entry.reward.name,
    )


async def _record_orders(connection: Connection, books: Books) -> None:
    """Insert new orders and update changed ones, each in the order of their keys. New orders come
    first: a transaction that waits for another's new order then holds no changed order that the
    other could wait for."""
    held = [key for key, record in books.orders.items() if record.state == "held"]
    arrivals = await _arrivals(connection, held)
    now = format_time(utc_now())
    new: list[tuple[object, ...]] = []
    changed: list[tuple[object, ...]] = []
    for key in sorted(books.orders):
        row = _order_row(books.orders[key], arrivals.get(key), now)
        (changed if key in books.existing_orders else new).append(row)
    if new:
        try:
            await copy(connection, "orders", _ORDER_COLUMNS, new)
        except asyncpg.UniqueViolationError as error:
            raise ConcurrentWrite from error
    if changed:
        status = await connection.execute(_CHANGE_ORDERS, *columns(changed))
        _expect(status, "INSERT 0", len(changed))


def _order_row(record: OrderRecord, arrival: int | None, now: str) -> tuple[object, ...]:
    return (
        record.store_id,
        record.order_id,
        _account_id(record),
        record.total,
        record.currency,
        record.program_id,
        record.state,
        record.skip_reason,
        record.reason,
        format_time(record.occurred_at),
        record.award,
        None if record.entry is None else record.entry.sequence,
        record.refunded,
        record.refunded_points,
        record.voided_points,
        arrival,
        # An order that earned points was recorded when its entry was posted.
        now if record.entry is None else None,
    )


async def _arrivals(connection: Connection, keys: Sequence[K]) -> dict[K, int]:
    """Ascending numbers for `keys`, which are in the order of arrival."""
    if not keys:
        return {}
    batch: int = await connection.fetchval(_NEXT_ARRIVAL)
    return {key: batch * _LARGEST_BATCH + place for place, key in enumerate(keys)}


async def _record_refunds(connection: Connection, refunds: dict[RefundKey, RefundRecord]) -> None:
    if not refunds:
        return
    arrivals = await _arrivals(connection, list(refunds))
    now = format_time(utc_now())
    keys = sorted(refunds)
    records = [refunds[key] for key in keys]
    status = await connection.execute(
        _RECORD_REFUNDS,
        texts(record.store_id for record in records),
        texts(record.order_id for record in records),
        texts(record.refund_id for record in records),
        numbers(_account_id(record) for record in records),
        numbers(record.amount for record in records),
        texts(record.state for record in records),
        texts(record.detail for record in records),
        numbers(record.points for record in records),
        numbers(None if record.entry is None else record.entry.sequence for record in records),
        numbers(format_time(record.occurred_at) for record in records),
        numbers(arrivals[key] for key in keys),
        numbers([now] * len(keys)),
    )
    _expect(status, "INSERT 0", len(records))


async def _insert_status_changes(
    connection: Connection, changes: Sequence[tuple[Account, StatusChange]]
) -> None:
    if changes:
        await connection.execute(
            _INSERT_STATUS_CHANGES,
            [account.id for account, _ in changes],
            ["suspended" if change.suspended else "active" for _, change in changes],
            [change.note for _, change in changes],
            [change.changed_by for _, change in changes],
        )


async def _insert_day_changes(connection: Connection, entries: Sequence[Entry]) -> None:
    """Insert what the batch adds to each store's days, by the events' own time."""
    changes: dict[tuple[str, date], DayChange] = {}
    for entry in entries:
        key = (entry.account.store_id, entry.occurred_at.date())
        change = changes.get(key)
        if change is None:
            change = changes[key] = DayChange()
        change.add(entry)
    if not changes:
        return
    await connection.execute(
        _INSERT_DAY_CHANGES,
        texts(store_id for store_id, _ in changes),
        numbers(day for _, day in changes),
        numbers(change.issued for change in changes.values()),
        numbers(change.redeemed for change in changes.values()),
        numbers(change.taken_back for change in changes.values()),
        numbers(change.expired for change in changes.values()),
        texts(numbers(change.account_ids) for change in changes.values()),
    )


def _account_id(record: OrderRecord | RefundRecord) -> int | None:
    """The account's id: a new account has one by the time its orders are written."""
    return record.account_id if record.account is None else record.account.id


def _time(time: datetime | None) -> str | None:
    return None if time is None else format_time(time)


def _expect(status: str, verb: str, rows: int) -> None:
    """Too few rows mean that a concurrent transaction came first."""
    if status != f"{verb} {rows}":
        raise ConcurrentWrite
