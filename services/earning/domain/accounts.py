"""Accounts and their entries: an account is what its entries add up to."""

from datetime import datetime
from uuid import UUID

from msgspec import Struct

from libs.contracts.events import RewardRef, TransactionType
from services.earning.domain.programs import Program, Tier

AccountKey = tuple[str, str]


class Account(Struct, kw_only=True, gc=False):
    """One customer of one store, as of its last entry; amounts are points.

    `id` is None until the account is created, `member_since` until the customer's first recorded
    order or posting: before that there is no such customer. `tier` is the name of the tier that its last posting
    showed, so that the next one can tell whether it changed.
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
    # Where the row stood when it was locked; the write goes straight there.
    ctid: str | None = None
    # Whether member_since has changed since then, which it seldom does.
    is_older: bool = False

    @property
    def exists(self) -> bool:
        """Whether there is such a customer."""
        return self.member_since is not None

    @property
    def key(self) -> AccountKey:
        return self.store_id, self.customer_id

    def seen_at(self, moment: datetime) -> None:
        """The customer was there at `moment`, which may be earlier than all that is known."""
        if self.member_since is None or moment < self.member_since:
            self.member_since = moment
            self.is_older = True


class Entry(Struct, frozen=True, kw_only=True, gc=False):
    """One immutable line of the ledger.

    `points` is signed. `program` and `tier` are those that priced it: None for what no programme
    priced. `tier_before` and `tier_after` are the default programme's, as shown to the customer.
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
