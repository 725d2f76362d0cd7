"""Accounts, as a batch of the ledger locks or reads, creates and updates them.

Locks are taken in one order: the stores' programs, the accounts by id, and then, by writing them, the
natural keys of each kind of posting in sorted order. So batches wait for each other and never deadlock.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Final

import asyncpg

from libs.kernel.clock import format_time
from libs.persistence.columns import numbers, texts
from libs.persistence.engine import Connection
from libs.persistence.errors import check_rows
from services.earning.domain.accounts import Account, AccountKey
from services.earning.store.keys import LookUp

Accounts = dict[AccountKey, Account]

# `xmin` is the transaction that wrote the version of the row, and `ctid` the version's place.
_COLUMNS: Final = """
store_id, customer_id, a.id, a.balance, a.lifetime, a.sequence, a.suspended, a.tier, a.member_since,
a.ctid::text AS ctid, a.xmin, a.last_day, a.cycle
"""
_READ: Final = LookUp(
    select=f"SELECT {_COLUMNS}", table="accounts a", key=("store_id", "customer_id")
)
_LOCK: Final = f"{_READ.of_pairs} ORDER BY a.id FOR NO KEY UPDATE OF a"
_NEW_IDS: Final = """
SELECT nextval(pg_get_serial_sequence('accounts', 'id')) FROM generate_series(1, $1::int)
"""

_CREATE: Final = r"""
INSERT INTO accounts (id, store_id, customer_id, balance, lifetime, sequence, suspended, tier, member_since,
                      last_day)
SELECT * FROM unnest($1::text::bigint[], string_to_array($2, E'\x1f'), string_to_array($3, E'\x1f'),
                     $4::text::bigint[], $5::text::bigint[], $6::text::bigint[], $7::text::boolean[],
                     string_to_array($8, E'\x1f', E'\x1e'), $9::text::timestamptz[], $10::text::date[])
  AS new (id, store_id, customer_id, balance, lifetime, sequence, suspended, tier, member_since, last_day)
ORDER BY store_id, customer_id
ON CONFLICT DO NOTHING
"""
# The rows' physical places are known: a join on ids would scan a large table. A version that a concurrent
# transaction replaced is not updated. Its place alone would not show that: once it is pruned, a later
# version of any row can take it, and then has another `xmin`.
_UPDATE: Final = r"""
UPDATE accounts a
SET balance = new.balance, lifetime = new.lifetime, sequence = new.sequence, suspended = new.suspended,
    tier = new.tier, member_since = least(a.member_since, new.member_since),
    last_day = coalesce(new.last_day, a.last_day)
FROM unnest(string_to_array($1, E'\x1f')::tid[], $2::text::xid[], $3::text::bigint[],
            $4::text::bigint[], $5::text::bigint[], $6::text::boolean[],
            string_to_array($7, E'\x1f', E'\x1e'), $8::text::timestamptz[], $9::text::date[])
  AS new (ctid, xmin, balance, lifetime, sequence, suspended, tier, member_since, last_day)
WHERE a.ctid = new.ctid AND a.xmin = new.xmin
"""


def _with_cycles(statement: str, *, first: int) -> str:
    """The statement with two more columns, whose values are the parameters from `first` on: only a batch that
    changed a cycle sends them."""
    values = rf", string_to_array(${first}, E'\x1f', E'\x1e')::bytea[], ${first + 1}::text::timestamptz[])"
    return statement.replace("last_day)\n", "last_day, cycle, due_at)\n").replace(
        "::text::date[])", f"::text::date[]{values}"
    )


_CREATE_WITH_CYCLES: Final = _with_cycles(_CREATE, first=11)
# A cycle that has not changed is not sent. None is ever removed.
_UPDATE_WITH_CYCLES: Final = _with_cycles(_UPDATE, first=10).replace(
    "coalesce(new.last_day, a.last_day, cycle, due_at)\n",
    """coalesce(new.last_day, a.last_day), cycle = coalesce(new.cycle, a.cycle),
    due_at = CASE WHEN new.cycle IS NULL THEN a.due_at ELSE new.due_at END
""",
)


async def lock(connection: Connection, keys: Collection[AccountKey]) -> Accounts:
    """Lock the accounts that exist, in the order of their ids, and wait for concurrent batches."""
    stores, customers = texts(key[0] for key in keys), texts(key[1] for key in keys)
    return _by_key(await connection.fetch(_LOCK, stores, customers))


async def read(connection: Connection, keys: Collection[AccountKey]) -> Accounts:
    """The accounts that exist, and perhaps others. One that a concurrent transaction changes before
    `write` is not written there, which raises ConcurrentWrite."""
    return _by_key(await _READ.fetch(connection, keys))


def _by_key(rows: Iterable[asyncpg.Record]) -> Accounts:
    return {(row[0], row[1]): Account(*row) for row in rows}


async def draw_ids(connection: Connection, count: int) -> list[int]:
    """Ids for so many new accounts."""
    if not count:
        return []
    return [row[0] for row in await connection.fetch(_NEW_IDS, count)]


async def write(connection: Connection, accounts: Iterable[Account]) -> None:
    """Create the new ones of `accounts`, and update the others. Raises ConcurrentWrite."""
    new: list[Account] = []
    existing: list[Account] = []
    for account in accounts:
        (new if account.ctid is None else existing).append(account)
    # In the order in which they are locked, since they may not be locked yet. A new one has a higher id.
    existing.sort(key=_id)
    await _update_existing(connection, existing)
    await _create_new(connection, new)


async def _create_new(connection: Connection, accounts: Sequence[Account]) -> None:
    if not accounts:
        return
    cycles = _cycles(accounts)
    status = await connection.execute(
        _CREATE_WITH_CYCLES if cycles else _CREATE,
        numbers(account.id for account in accounts),
        texts(account.store_id for account in accounts),
        texts(account.customer_id for account in accounts),
        numbers(account.balance for account in accounts),
        numbers(account.lifetime for account in accounts),
        numbers(account.sequence for account in accounts),
        numbers(account.suspended for account in accounts),
        texts(account.tier for account in accounts),
        numbers(_member_since(account) for account in accounts),
        numbers(account.last_day for account in accounts),
        *cycles,
    )
    check_rows(status, len(accounts))


async def _update_existing(connection: Connection, accounts: Sequence[Account]) -> None:
    if not accounts:
        return
    cycles = _cycles(accounts)
    status = await connection.execute(
        _UPDATE_WITH_CYCLES if cycles else _UPDATE,
        texts(account.ctid for account in accounts),
        numbers(account.xmin for account in accounts),
        numbers(account.balance for account in accounts),
        numbers(account.lifetime for account in accounts),
        numbers(account.sequence for account in accounts),
        numbers(account.suspended for account in accounts),
        texts(account.tier for account in accounts),
        numbers(
            _member_since(account) if account.member_since_changed else None for account in accounts
        ),
        numbers(account.last_day if account.last_day_changed else None for account in accounts),
        *cycles,
    )
    check_rows(status, len(accounts))


def _cycles(accounts: Sequence[Account]) -> list[str]:
    """The columns of the cycles that have changed, none if no cycle has."""
    if not any(account.cycle_changed for account in accounts):
        return []
    changed = [account if account.cycle_changed else None for account in accounts]
    return [
        texts(
            None if account is None or account.cycle is None else f"\\x{account.cycle.hex()}"
            for account in changed
        ),
        numbers(None if account is None else _time(account.due_at) for account in changed),
    ]


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else format_time(moment)


def _member_since(account: Account) -> str | None:
    return _time(account.member_since)


def _id(account: Account) -> int:
    return account.id
