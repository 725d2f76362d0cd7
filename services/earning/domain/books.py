"""What one batch of postings knows and what comes of it; the rules beside this module write in it.

A `Books` holds the accounts that the batch locked, the programmes in force, and what is recorded
already. What is to be written stands in `entries`, `orders`, `refunds`, `status_changes`, `debits`,
`resolutions`, `voids` and `touched` afterwards.
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
    Resolved,
    StatusChange,
)
from services.earning.domain.programs import Program, StorePrograms, Tier

NO_PROGRAMS: Final = StorePrograms()


class Known(Struct):
    """What is recorded already of what a batch touches: read under its locks."""

    accounts: dict[AccountKey, Account] = field(default_factory=dict)
    programs: Mapping[str, StorePrograms] = field(default_factory=dict)
    orders: dict[OrderKey, OrderRecord] = field(default_factory=dict)
    refunds: dict[RefundKey, RefundRecord] = field(default_factory=dict)
    # Refunds that wait for their orders, and held orders of accounts, each in order of arrival.
    waiting: dict[OrderKey, list[RefundRecord]] = field(default_factory=dict)
    held: dict[AccountKey, list[OrderRecord]] = field(default_factory=dict)
    # By the ids of redemptions, of resolved anomalies, and of transactions.
    debits: dict[str, DebitRecord] = field(default_factory=dict)
    resolutions: dict[str, Resolved] = field(default_factory=dict)
    awards: dict[str, AwardRecord] = field(default_factory=dict)


class Books:
    """The books of one batch; `new_id` draws entry ids in order."""

    def __init__(self, known: Known, *, new_id: Callable[[], str]) -> None:
        self.known = known
        self._new_id = new_id
        self.entries: list[Entry] = []
        self.orders: dict[OrderKey, OrderRecord] = {}
        # The keys of orders that were there before this batch: those it changes, not adds.
        self.recorded = {*known.orders, *(one.key for held in known.held.values() for one in held)}
        self.refunds: dict[RefundKey, RefundRecord] = {}
        self.status_changes: list[tuple[Account, StatusChange]] = []
        self.debits: dict[str, DebitRecord] = {}
        self.resolutions: dict[str, Resolved] = {}
        self.voids: list[tuple[AwardRecord, str]] = []
        self.touched: dict[AccountKey, Account] = {}

    def programs(self, store_id: str) -> StorePrograms:
        """The store's programmes in force."""
        return self.known.programs.get(store_id, NO_PROGRAMS)

    def account(self, store_id: str, customer_id: str) -> Account:
        """The customer's account, or an empty one that is kept only once something touches it."""
        account = self.known.accounts.get((store_id, customer_id))
        return account or Account(store_id=store_id, customer_id=customer_id)

    def touch(self, account: Account, occurred_at: datetime | None = None) -> None:
        """The account is to be written; its customer was there at `occurred_at`."""
        key = account.key
        self.known.accounts[key] = self.touched[key] = account
        if occurred_at is not None:
            account.seen_at(occurred_at)

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
    ) -> Entry:
        """The next entry of `account`; raises Conflict for a balance over its bound."""
        balance = account.balance + points
        lifetime = max(account.lifetime + lifetime_change, 0)
        if not -MAX_BALANCE <= balance <= MAX_BALANCE or lifetime > MAX_BALANCE:
            raise Conflict(f"The balance would pass its bound of {MAX_BALANCE:,} points.")
        default = self.programs(account.store_id).default
        shown = account.tier
        if default is not None:
            held = default.tier_at(lifetime)
            shown = None if held is None else held.name
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
            tier_after=shown,
            order_id=order_id,
            redemption_id=redemption_id,
            reward=reward,
        )
        account.balance = balance
        account.lifetime = lifetime
        account.sequence = entry.sequence
        account.tier = shown
        self.entries.append(entry)
        self.touch(account, occurred_at)
        return entry
