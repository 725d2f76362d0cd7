"""Accounts and their entries: an account is the sum of its entries."""

from datetime import date, datetime
from uuid import UUID

from msgspec import Struct

from libs.contracts.events import RewardRef, TransactionType

AccountKey = tuple[str, str]


def transaction_id(entry_id: str | UUID) -> str:
    """The id of an entry as callers see it: to them, an entry is a transaction."""
    return f"txn_{entry_id}"


class Account(Struct, gc=False):
    """One customer of one store, as of the account's last entry; amounts are points.

    Without a `ctid`, the account has to be created if it is `changed`. `member_since` is None until the
    customer's first recorded order or posting: before that the customer does not exist. `tier` is the name
    of the tier after the last posting, so that the next posting can report a change.
    """

    store_id: str
    customer_id: str
    id: int = 0
    balance: int = 0
    lifetime: int = 0
    sequence: int = 0
    suspended: bool = False
    tier: str | None = None
    member_since: datetime | None = None
    # The physical place of the row's version that was read, so that the update needs no look-up, and the
    # transaction that wrote the version.
    ctid: str | None = None
    xmin: int = 0
    # The customer's latest active day; None if it is not known, or if there is none.
    last_day: date | None = None
    # What time changes of the account, encoded; None as long as nothing does.
    cycle: bytes | None = None
    changed: bool = False
    last_day_changed: bool = False
    # member_since rarely changes, and is written only then.
    member_since_changed: bool = False
    # The cycle is written, too, and when something of it is due.
    cycle_changed: bool = False
    due_at: datetime | None = None

    @property
    def exists(self) -> bool:
        """Whether the customer exists for callers."""
        return self.member_since is not None

    @property
    def debt(self) -> int:
        """The points that the balance is below zero."""
        return -self.balance if self.balance < 0 else 0

    @property
    def key(self) -> AccountKey:
        return self.store_id, self.customer_id

    def record_activity(self, occurred_at: datetime) -> None:
        """Move `member_since` back to `occurred_at` if that is the customer's earliest event."""
        if self.member_since is None or occurred_at < self.member_since:
            self.member_since = occurred_at
            self.member_since_changed = True


class Entry(Struct, frozen=True, array_like=True, gc=False):
    """One immutable line of the ledger: the columns of its row.

    `points` is signed. `program_version_id` and `tier` are those that priced the entry, None where no
    program did. `lots` (services/earning/domain/entry_lots.py), the signed change `pending` of the pending points,
    the expired points `covered`, and the time at which points that waited became available, are None
    where nothing expires or waits.
    """

    account_id: int
    sequence: int
    id: str
    store_id: str
    type: TransactionType
    points: int
    balance_after: int
    lifetime_after: int
    reason: str
    occurred_at: datetime
    program_version_id: int | None = None
    tier: str | None = None
    order_id: str | None = None
    redemption_id: str | None = None
    reward_id: str | None = None
    reward_name: str | None = None
    lots: str | None = None
    pending: int | None = None
    covered: int | None = None
    available_at: datetime | None = None

    @property
    def reward(self) -> RewardRef | None:
        if self.reward_id is None or self.reward_name is None:
            return None
        return RewardRef(self.reward_id, self.reward_name)


class ManualEntry(Struct, frozen=True):
    """An entry that a person posted for the customer; `posted_by` is the name of the key."""

    entry: Entry
    customer_id: str
    posted_by: str


class ReminderNote(Struct, frozen=True, array_like=True, gc=False):
    """Before the entry at `place` in the batch, the customer is reminded of `points` that expire when the day
    `expires_on` ends; the reminder was due at `occurred_at`."""

    place: int
    account_id: int
    store_id: str
    points: int
    expires_on: date
    expires_at: datetime
    days_left: int
    balance: int
    occurred_at: datetime


class TierChange(Struct, frozen=True, array_like=True, gc=False):
    """The entry at `place` in the batch changed the customer's tier in the program from `before`."""

    place: int
    program: UUID
    before: str | None
