"""Accounts and their entries: an account is the sum of its entries."""

from datetime import datetime
from uuid import UUID

from msgspec import Struct

from libs.contracts.events import RewardRef, TransactionType
from services.earning.domain.programs import Program, Tier

AccountKey = tuple[str, str]


def transaction_id(entry_id: str | UUID) -> str:
    """The id of an entry as callers see it: to them, an entry is a transaction."""
    return f"txn_{entry_id}"


class Account(Struct, kw_only=True, gc=False):
    """One customer of one store, as of the account's last entry; amounts are points.

    `id` is None until the account is created. `member_since` is None until the customer's first
    recorded order or posting: before that the customer does not exist. `tier` is the name of the
    tier after the last posting, so that the next posting can report a change.
    """

    store_id: str
    customer_id: str
    member_since: datetime | None = None
    id: int | None = None
    balance: int = 0
    lifetime: int = 0
    sequence: int = 0
    suspended: bool = False
    tier: str | None = None
    # The row's physical place when it was locked, so that the update needs no look-up.
    ctid: str | None = None
    # member_since rarely changes, and is written only then.
    member_since_changed: bool = False

    @property
    def exists(self) -> bool:
        """Whether the customer exists for callers."""
        return self.member_since is not None

    @property
    def key(self) -> AccountKey:
        return self.store_id, self.customer_id

    def record_activity(self, occurred_at: datetime) -> None:
        """Move `member_since` back to `occurred_at` if that is the customer's earliest event."""
        if self.member_since is None or occurred_at < self.member_since:
            self.member_since = occurred_at
            self.member_since_changed = True


class Entry(Struct, frozen=True, kw_only=True, gc=False):
    """One immutable line of the ledger.

    `points` is signed. `program` and `tier` are those that priced the entry, None where no program
    did. `tier_before` and `tier_after` are tiers of the default program, as shown to the customer.
    `posted_by` is the name of the key that posted a manual entry; `traceparent` that of its request.
    """

    account: Account
    id: str
    sequence: int
    type: TransactionType
    points: int
    balance_after: int
    lifetime_after: int
    reason: str
    occurred_at: datetime
    program: Program | None = None
    tier: Tier | None = None
    default_program: UUID | None = None
    tier_before: str | None = None
    tier_after: str | None = None
    order_id: str | None = None
    redemption_id: str | None = None
    reward: RewardRef | None = None
    posted_by: str | None = None
    traceparent: str = ""
