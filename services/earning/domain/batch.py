"""The state of one batch of postings, which the rules of the other modules read and write."""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping
from datetime import datetime
from typing import Any, Final, TypeVar

from libs.contracts.api import MAX_BALANCE
from libs.contracts.events import RewardRef, TransactionType
from libs.kernel.errors import Conflict
from services.earning.domain.accounts import Account, AccountKey, Entry
from services.earning.domain.postings import Record
from services.earning.domain.programs import Program, StorePrograms, Tier
from services.earning.domain.tiers import tier_of

NO_PROGRAMS: Final = StorePrograms()

R = TypeVar("R", bound=Record)


class LedgerBatch:
    """The accounts that a batch locked, the programs in force, and what is recorded already.

    After the rules have run, `entries`, `accounts_to_write` and `changed` hold what has to be written to
    the database. `new_id` generates entry ids in ascending order. `traceparent` is that of the request
    whose postings are being folded.
    """

    def __init__(
        self,
        *,
        new_id: Callable[[], str],
        programs: Mapping[str, StorePrograms],
        accounts: dict[AccountKey, Account] | None = None,
    ) -> None:
        self._new_id = new_id
        self.programs_in_force = programs
        self.accounts = {} if accounts is None else accounts
        self.traceparent = ""
        self.entries: list[Entry] = []
        self.accounts_to_write: dict[AccountKey, Account] = {}
        # By type of record: keys to read, records by key, keys of those read, and records to write.
        self.required: defaultdict[type, set[Any]] = defaultdict(set)
        self._records: defaultdict[type, dict[Hashable, Any]] = defaultdict(dict)
        self._loaded: defaultdict[type, set[Hashable]] = defaultdict(set)
        self._changed: defaultdict[type, dict[Hashable, Any]] = defaultdict(dict)

    # -- records

    def add_loaded(self, records: Iterable[Record]) -> None:
        """Add records as the database has them."""
        for record in records:
            self._records[type(record)][record.key] = record
            self._loaded[type(record)].add(record.key)

    def is_loaded(self, record: Record) -> bool:
        """Whether the database has a record with this key already."""
        return record.key in self._loaded[type(record)]

    def get(self, kind: type[R], key: Hashable) -> R | None:
        """The record as the batch has it by now, or None."""
        return self._records[kind].get(key)

    def put(self, record: Record) -> None:
        """Add or replace a record, and have it written with the batch."""
        kind, key = type(record), record.key
        self._records[kind][key] = self._changed[kind][key] = record

    def append(self, record: object) -> None:
        """Have a record without a key written with the batch."""
        changed = self._changed[type(record)]
        changed[len(changed)] = record

    def changed(self, kind: type[Any]) -> dict[Any, Any]:
        """The records to write, by key, in the order in which they were first put."""
        return self._changed[kind]

    # -- accounts and entries

    def programs(self, store_id: str) -> StorePrograms:
        """The store's programs in force."""
        return self.programs_in_force.get(store_id, NO_PROGRAMS)

    def account(self, store_id: str, customer_id: str) -> Account:
        """The customer's account, or an empty one, which is written only if a rule marks it."""
        account = self.accounts.get((store_id, customer_id))
        return account or Account(store_id=store_id, customer_id=customer_id)

    def mark_for_write(self, account: Account, active_at: datetime | None = None) -> None:
        """Mark the account to be written with the batch. `active_at` is the time of the customer's
        activity, None if the posting is no activity of the customer."""
        key = account.key
        self.accounts[key] = self.accounts_to_write[key] = account
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
        tier_before = account.tier
        if default is not None:
            held = tier_of(default, lifetime)
            account.tier = None if held is None else held.name
        account.balance = balance
        account.lifetime = lifetime
        account.sequence += 1
        entry = Entry(
            account=account,
            id=self._new_id(),
            sequence=account.sequence,
            type=type_,
            points=points,
            balance_after=balance,
            lifetime_after=lifetime,
            reason=reason,
            occurred_at=occurred_at,
            program=program,
            tier=tier,
            default_program=None if default is None else default.id,
            tier_before=tier_before,
            tier_after=account.tier,
            order_id=order_id,
            redemption_id=redemption_id,
            reward=reward,
            posted_by=posted_by,
            traceparent=self.traceparent,
        )
        self.entries.append(entry)
        self.mark_for_write(account, occurred_at)
        return entry
