"""The state of one batch of postings, which the rules of the other modules read and write.

A `Books` holds the accounts that the batch locked, the programs in force, and what is already
recorded. After the rules have run, `entries`, `orders`, `refunds`, `status_changes`, `debits`,
`resolutions`, `voids`, `manual_entries` and `accounts_to_write` hold what has to be written to the
database.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from msgspec import Struct, field

from libs.contracts.api import MAX_BALANCE
from libs.contracts.events import RewardRef, TransactionType
from libs.kernel.errors import Conflict
from services.earning.domain.accounts import Account, AccountKey, Entry
from services.earning.domain.postings import (
    AwardRecord,
    DebitRecord,
    OrderKey,
    OrderRecord,
    RefundKey,
    RefundRecord,
    ResolutionRecord,
    StatusChange,
)
from services.earning.domain.programs import Program, StorePrograms, Tier
from services.earning.domain.tiers import tier_of

NO_PROGRAMS: Final = StorePrograms()


class Known(Struct):
    """The recorded state that a batch depends on, read under its locks."""

    accounts: dict[AccountKey, Account] = field(default_factory=dict)
    programs: Mapping[str, StorePrograms] = field(default_factory=dict)
    orders: dict[OrderKey, OrderRecord] = field(default_factory=dict)
    refunds: dict[RefundKey, RefundRecord] = field(default_factory=dict)
    # By order and by account, each list in the order of arrival.
    waiting_refunds: dict[OrderKey, list[RefundRecord]] = field(default_factory=dict)
    held_orders: dict[AccountKey, list[OrderRecord]] = field(default_factory=dict)
    # By redemption id, anomaly id and transaction id.
    debits: dict[str, DebitRecord] = field(default_factory=dict)
    resolutions: dict[str, ResolutionRecord] = field(default_factory=dict)
    awards: dict[str, AwardRecord] = field(default_factory=dict)


class Books:
    """The books of one batch; `new_id` generates entry ids in ascending order."""

    def __init__(self, known: Known, *, new_id: Callable[[], str]) -> None:
        self.known = known
        self._new_id = new_id
        self.entries: list[Entry] = []
        self.orders: dict[OrderKey, OrderRecord] = {}
        # Orders that existed before this batch: they are updated, all others inserted.
        self.existing_orders = {
            *known.orders,
            *(record.key for records in known.held_orders.values() for record in records),
        }
        self.refunds: dict[RefundKey, RefundRecord] = {}
        self.status_changes: list[tuple[Account, StatusChange]] = []
        self.debits: dict[str, DebitRecord] = {}
        self.resolutions: dict[str, ResolutionRecord] = {}
        self.voids: list[tuple[AwardRecord, str]] = []
        self.manual_entries: list[Entry] = []
        self.accounts_to_write: dict[AccountKey, Account] = {}

    def programs(self, store_id: str) -> StorePrograms:
        """The store's programs in force."""
        return self.known.programs.get(store_id, NO_PROGRAMS)

    def account(self, store_id: str, customer_id: str) -> Account:
        """The customer's account, or an empty one, which is written only if a rule marks it."""
        account = self.known.accounts.get((store_id, customer_id))
        return account or Account(store_id=store_id, customer_id=customer_id)

    def mark_for_write(self, account: Account, active_at: datetime | None = None) -> None:
        """Mark the account to be written with the batch. `active_at` is the time of the customer's
        activity, None if the posting is no activity of the customer."""
        key = account.key
        self.known.accounts[key] = self.accounts_to_write[key] = account
        if active_at is not None:
            account.record_activity(active_at)

    def enter(
        self,
        account: Account,
        *,
        type_: TransactionType,
        points: int,
        lifetime_change: int,
        reason: str,
        occurred_at: datetime,
        program: Program | None = None,
        tier: Tier | None = None,
        order_id: str | None = None,
        redemption_id: str | None = None,
        reward: RewardRef | None = None,
        posted_by: str | None = None,
    ) -> Entry:
        """Add the next entry of `account`; raises Conflict if the balance exceeds its bound."""
        balance = account.balance + points
        lifetime = max(account.lifetime + lifetime_change, 0)
        if not -MAX_BALANCE <= balance <= MAX_BALANCE or lifetime > MAX_BALANCE:
            raise Conflict(f"The balance would exceed its limit of {MAX_BALANCE:,} points.")
        default = self.programs(account.store_id).default
        tier_after = account.tier
        if default is not None:
            held = tier_of(default, lifetime)
            tier_after = None if held is None else held.name
        entry = Entry(
            account=account,
            id=self._new_id(),
            sequence=account.sequence + 1,
            type=type_,
            points=points,
            balance_after=balance,
            lifetime_after=lifetime,
            reason=reason,
            occurred_at=occurred_at,
            program=program,
            tier=tier,
            default_program=None if default is None else default.id,
            tier_before=account.tier,
            tier_after=tier_after,
            order_id=order_id,
            redemption_id=redemption_id,
            reward=reward,
            posted_by=posted_by,
        )
        account.balance = balance
        account.lifetime = lifetime
        account.sequence = entry.sequence
        account.tier = tier_after
        self.entries.append(entry)
        if posted_by is not None:
            self.manual_entries.append(entry)
        self.mark_for_write(account, occurred_at)
        return entry
