"""One batch of the ledger in PostgreSQL: lock and read what it touches, write what came of it.

Everything is set-based, whatever the size of the batch. Locks are taken in one order: the stores'
programmes, the accounts by id, and then, by writing them, the natural keys in sorted order; so
batches wait for each other and never deadlock. A natural key that a rival wrote meanwhile shows as
a row too few or as a key that exists, and the batch starts over and finds it.
"""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Final, TypeVar

import asyncpg

from libs.kernel.clock import format_time
from libs.messaging import outbox
from libs.messaging.outbox import EncodedEvent
from libs.persistence.columns import columns, copy, numbers, texts
from libs.persistence.engine import Connection
from libs.persistence.errors import ConcurrentWrite
from services.earning.domain.accounts import Account, AccountKey, Entry
from services.earning.domain.books import Books
from services.earning.domain.corrections import HELD_AT_ONCE
from services.earning.domain.days import DayChange
from services.earning.domain.postings import (
    OrderKey,
    OrderRecord,
    RefundKey,
    RefundRecord,
    StatusChange,
)
from services.earning.store import debits

# The one lane that this size of system needs; more lanes take a hash of the account.
# More than any batch holds: arrivals are numbered within a batch of this size.
_LARGEST_BATCH: Final = 100_000

K = TypeVar("K", bound=tuple[str, ...])

_LOCK_ACCOUNTS: Final = r"""
SELECT asked.place, a.id, a.balance, a.lifetime, a.sequence, a.suspended, a.tier, a.member_since,
       a.ctid::text AS ctid
FROM unnest(string_to_array($1, E'\x1f'), string_to_array($2, E'\x1f')) WITH ORDINALITY
  AS asked (store_id, customer_id, place)
JOIN accounts a USING (store_id, customer_id)
ORDER BY a.id
FOR NO KEY UPDATE OF a
"""
_READ_ORDERS: Final = r"""
SELECT o.store_id, o.order_id, o.account_id, o.total, o.currency, o.program_id, o.state, o.reason,
       o.occurred_at, o.award, o.refunded, o.refunded_points, o.voided_points
FROM unnest(string_to_array($1, E'\x1f'), string_to_array($2, E'\x1f')) AS asked (store_id, order_id)
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
# A join on ids would read the whole table once it is large; the row's place is known already.
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
  AS asked (store_id, order_id, refund_id)
JOIN refunds r USING (store_id, order_id, refund_id)
"""
_READ_WAITING: Final = r"""
SELECT r.store_id, r.order_id, r.refund_id, r.account_id, r.amount, r.state, r.occurred_at, r.points
FROM unnest(string_to_array($1, E'\x1f'), string_to_array($2, E'\x1f')) AS asked (store_id, order_id)
JOIN refunds r USING (store_id, order_id)
WHERE r.state = 'waiting'
ORDER BY r.arrival
"""
_READ_HELD: Final = """
SELECT o.store_id, o.order_id, o.account_id, o.total, o.currency, o.program_id, o.state, o.reason,
       o.occurred_at, o.award, o.refunded, o.refunded_points, o.voided_points
FROM orders o
WHERE o.account_id = $1 AND o.state = 'held'
ORDER BY o.arrival
LIMIT $2
"""
# Drawn under the account locks, so that each account's arrivals are numbered in their order.
_ARRIVAL: Final = "SELECT nextval('order_arrival')"
_ORDER_COLUMNS: Final = (
    *("store_id", "order_id", "account_id", "total", "currency", "program_id", "state"),
    *("skip_reason", "reason", "occurred_at", "award", "entry_sequence", "refunded"),
    *("refunded_points", "voided_points", "arrival"),
)
# A skipped order may be replaced, a held one posted or skipped, and a counted one refunded, each by
# whoever holds its account; what became of any other meanwhile was a rival's doing.
_CHANGE_ORDERS: Final = r"""
INSERT INTO orders AS o (store_id, order_id, account_id, total, currency, program_id, state,
                         skip_reason, reason, occurred_at, award, entry_sequence, refunded,
                         refunded_points, voided_points, arrival)
SELECT * FROM unnest(
    string_to_array($1, E'\x1f'), string_to_array($2, E'\x1f'),
    string_to_array($3, E'\x1f')::bigint[], string_to_array($4, E'\x1f')::numeric[],
    string_to_array($5, E'\x1f'), string_to_array($6, E'\x1f', E'\x1e'),
    string_to_array($7, E'\x1f'), string_to_array($8, E'\x1f', E'\x1e'),
    string_to_array($9, E'\x1f'), string_to_array($10, E'\x1f')::timestamptz[],
    string_to_array($11, E'\x1f')::bigint[], string_to_array($12, E'\x1f', E'\x1e')::bigint[],
    string_to_array($13, E'\x1f')::numeric[], string_to_array($14, E'\x1f')::bigint[],
    string_to_array($15, E'\x1f')::bigint[], string_to_array($16, E'\x1f', E'\x1e')::bigint[])
ON CONFLICT (store_id, order_id) DO UPDATE
SET account_id = excluded.account_id, total = excluded.total, currency = excluded.currency,
    program_id = excluded.program_id, state = excluded.state, skip_reason = excluded.skip_reason,
    reason = excluded.reason, occurred_at = excluded.occurred_at, award = excluded.award,
    entry_sequence = coalesce(excluded.entry_sequence, o.entry_sequence),
    refunded = excluded.refunded, refunded_points = excluded.refunded_points,
    voided_points = excluded.voided_points, arrival = excluded.arrival
WHERE o.state = 'skipped'
   OR o.account_id = excluded.account_id AND (o.state, excluded.state) IN
      (('held', 'counted'), ('held', 'skipped'))
   OR o.account_id = excluded.account_id AND (o.state, excluded.state) = ('counted', 'counted')
      AND excluded.entry_sequence IS NULL
"""
# Waiting refunds that count or contradict their order change; nothing else does.
_RECORD_REFUNDS: Final = r"""
INSERT INTO refunds AS r (store_id, order_id, refund_id, account_id, amount, state, detail, points,
                          entry_sequence, occurred_at, arrival)
SELECT * FROM unnest(
    string_to_array($1, E'\x1f'), string_to_array($2, E'\x1f'), string_to_array($3, E'\x1f'),
    $4::text::bigint[], $5::text::numeric[], string_to_array($6, E'\x1f'),
    string_to_array($7, E'\x1f', E'\x1e'), $8::text::bigint[], $9::text::bigint[],
    $10::text::timestamptz[], $11::text::bigint[])
ON CONFLICT (store_id, order_id, refund_id) DO UPDATE
SET state = excluded.state, detail = excluded.detail, points = excluded.points,
    entry_sequence = excluded.entry_sequence
WHERE r.state = 'waiting' AND excluded.state <> 'waiting'
"""
_INSERT_STATUS_CHANGES: Final = """
INSERT INTO status_changes (account_id, status, note, changed_by)
SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[])
"""
_INSERT_DAY_CHANGES: Final = """
INSERT INTO day_changes (store_id, day, issued, redeemed, taken_back, expired, account_ids)
VALUES ($1, $2, $3, $4, $5, $6, $7)
"""
# The id is drawn here, after the account locks: for each account the order of ids is the order of
# commits, which is the order the relay publishes in.


async def lock_accounts(
    connection: Connection, keys: Iterable[AccountKey]
) -> dict[AccountKey, Account]:
    """Lock the accounts that exist, in one fixed order; a rival's batch is waited for."""
    asked = list(keys)
    rows = await connection.fetch(
        _LOCK_ACCOUNTS, texts(key[0] for key in asked), texts(key[1] for key in asked)
    )
    return {asked[row["place"] - 1]: _account(asked[row["place"] - 1], row) for row in rows}


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
    """The orders recorded under `keys`. Their accounts must be locked already, so that none of
    them can change meanwhile."""
    asked = list(keys)
    if not asked:
        return {}
    rows = await connection.fetch(
        _READ_ORDERS, texts(key[0] for key in asked), texts(key[1] for key in asked)
    )
    return {(row["store_id"], row["order_id"]): _order(row) for row in rows}


async def read_refunds(
    connection: Connection, keys: Iterable[RefundKey]
) -> dict[RefundKey, RefundRecord]:
    """The refunds recorded under `keys`, their accounts being locked."""
    asked = list(keys)
    if not asked:
        return {}
    rows = await connection.fetch(
        _READ_REFUNDS, *(texts(key[place] for key in asked) for place in range(3))
    )
    return {(row["store_id"], row["order_id"], row["refund_id"]): _refund(row) for row in rows}


async def read_waiting(
    connection: Connection, keys: Iterable[OrderKey]
) -> dict[OrderKey, list[RefundRecord]]:
    """The refunds that wait for the orders `keys`, each order's in order of arrival."""
    asked = list(keys)
    if not asked:
        return {}
    found: dict[OrderKey, list[RefundRecord]] = {}
    for row in await connection.fetch(
        _READ_WAITING, texts(key[0] for key in asked), texts(key[1] for key in asked)
    ):
        found.setdefault((row["store_id"], row["order_id"]), []).append(_refund(row))
    return found


async def read_held(
    connection: Connection, accounts: Iterable[Account]
) -> dict[AccountKey, list[OrderRecord]]:
    """The held orders of `accounts` in order of arrival; one more than are posted at once tells
    that there are more."""
    return {
        account.key: [
            _order(row) for row in await connection.fetch(_READ_HELD, account.id, HELD_AT_ONCE + 1)
        ]
        for account in accounts
    }


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
        award=row["award"],
        refunded=row["refunded"],
        refunded_points=row["refunded_points"],
        voided_points=row["voided_points"],
    )


async def write(connection: Connection, books: Books, events: Sequence[EncodedEvent]) -> None:
    """Write what came of a batch; raises ConcurrentWrite where another transaction was first."""
    touched = books.touched.values()
    await _create_accounts(connection, [account for account in touched if account.id is None])
    await _update_accounts(connection, [account for account in touched if account.ctid is not None])
    await _insert_entries(connection, books.entries)
    await _record_orders(connection, books)
    await _record_refunds(connection, books.refunds)
    await debits.record_debits(connection, books.debits)
    await debits.record_resolutions(connection, books.resolutions, books.voids)
    await _insert_status_changes(connection, books.status_changes)
    await _insert_day_changes(connection, books.entries)
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
        numbers(_moment(account.member_since) for account in accounts),
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
            _moment(account.member_since) if account.is_older else None for account in accounts
        ),
    )
    _expect(status, "UPDATE", len(accounts))


async def _insert_entries(connection: Connection, entries: Sequence[Entry]) -> None:
    if entries:
        await copy(connection, "entries", _ENTRY_COLUMNS, map(_entry_row, entries))


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
    """New orders and those that changed, each in the order of their keys. New ones first: who waits
    for a rival's new order holds no changed one that the rival may wait for."""
    held = [key for key, record in books.orders.items() if record.state == "held"]
    arrivals = await _arrivals(connection, held)
    new: list[tuple[object, ...]] = []
    changed: list[tuple[object, ...]] = []
    for key in sorted(books.orders):
        row = _order_row(books.orders[key], arrivals.get(key))
        (changed if key in books.recorded else new).append(row)
    if new:
        try:
            await copy(connection, "orders", _ORDER_COLUMNS, new)
        except asyncpg.UniqueViolationError as error:
            raise ConcurrentWrite from error
    if changed:
        status = await connection.execute(_CHANGE_ORDERS, *columns(changed))
        _expect(status, "INSERT 0", len(changed))


def _order_row(record: OrderRecord, arrival: int | None) -> tuple[object, ...]:
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
    )


async def _arrivals(connection: Connection, keys: Sequence[K]) -> dict[K, int]:
    """A number for each of `keys`, which stand in the order of their arrival."""
    if not keys:
        return {}
    batch: int = await connection.fetchval(_ARRIVAL)
    return {key: batch * _LARGEST_BATCH + place for place, key in enumerate(keys)}


async def _record_refunds(connection: Connection, refunds: dict[RefundKey, RefundRecord]) -> None:
    if not refunds:
        return
    arrivals = await _arrivals(connection, list(refunds))
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
    """What the batch adds to each store's days, by the events' own time."""
    changes: dict[tuple[str, date], DayChange] = {}
    for entry in entries:
        key = (entry.account.store_id, entry.occurred_at.date())
        change = changes.get(key)
        if change is None:
            change = changes[key] = DayChange()
        change.add(entry)
    for (store_id, day), change in changes.items():
        await connection.execute(
            _INSERT_DAY_CHANGES,
            *(store_id, day, change.issued, change.redeemed, change.taken_back, change.expired),
            list(change.account_ids),
        )


def _account_id(record: OrderRecord | RefundRecord) -> int | None:
    """The account's id: a new account has its own by the time its orders are written."""
    return record.account_id if record.account is None else record.account.id


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else format_time(moment)


def _expect(status: str, verb: str, rows: int) -> None:
    """A row too few means that a rival's transaction came first."""
    if status != f"{verb} {rows}":
        raise ConcurrentWrite
