"""The state of one batch of postings, which the rules of the other modules read and write."""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping
from datetime import date, datetime, timedelta
from typing import Any, Final, TypeVar
from uuid import UUID

from libs.contracts.api import MAX_BALANCE, SkipReason
from libs.contracts.events import RewardRef, TransactionType
from libs.kernel.errors import Conflict
from libs.kernel.ids import shifted_id
from services.earning.domain import entry_lots
from services.earning.domain.account_cycles import AccountCycle, CycleChange
from services.earning.domain.accounts import (
    Account,
    AccountKey,
    Entry,
    ReminderNote,
    TierChange,
)
from services.earning.domain.catching_up import Reminder
from services.earning.domain.cycles import Mark
from services.earning.domain.dates import end_of, to_date
from services.earning.domain.days import DayChange
from services.earning.domain.order_records import OrderKey
from services.earning.domain.pending_awards import PendingAward
from services.earning.domain.postings import Record
from services.earning.domain.programs import Program, StorePrograms
from services.earning.domain.timelines import Timeline

NO_PROGRAMS: Final = StorePrograms()
_NO_SHIFT: Final = timedelta(0)

R = TypeVar("R", bound=Record)


class LedgerBatch:
    """The accounts that a batch locked or read, the programs in force, and what is recorded already.

    After the rules have run, `entries`, `accounts_to_write` and `changed` hold what has to be written to
    the database. `new_id` generates entry ids in ascending order. `accounts` has one for each customer of
    a posting, an empty one if the customer has none yet.
    """

    def __init__(
        self,
        *,
        new_id: Callable[[], str],
        programs: Mapping[str, StorePrograms],
        accounts: dict[AccountKey, Account],
    ) -> None:
        self._new_id = new_id
        self.use_programs(programs)
        self.accounts = accounts
        self.entries: list[Entry] = []
        self.days: dict[tuple[str, date], DayChange] = {}
        # Of each entry the customer's tier in the default program afterwards, and which entries changed it.
        self.tiers: list[str | None] = []
        self.tier_changes: list[TierChange] = []
        # Of each request that posted, the number of entries before it.
        self.traces: list[tuple[int, str]] = []
        # Of the stores in which points may expire or wait, and of their accounts by id.
        self.timelines: dict[str, Timeline] = {}
        self.cycles: dict[int, AccountCycle] = {}
        # Of the orders that may be clawed back, the lots that the entry of the award notes, and its sequence.
        self.award_notes: dict[OrderKey, tuple[str | None, int]] = {}
        # Those of the batch are added once a clawback needs them; from this entry on they are not yet.
        self._award_notes_end = 0
        # The entries that released the awards of orders.
        self.releases: dict[OrderKey, Entry] = {}
        self.reminders: list[ReminderNote] = []
        self._released_programs: dict[int, UUID] = {}
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

    def records(self, kind: type[R]) -> Iterable[R]:
        """The records of a kind as the batch has them by now."""
        return self._records[kind].values()

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

    def use_programs(self, programs: Mapping[str, StorePrograms]) -> None:
        """Set the programs in force, by store."""
        self._programs = programs
        # Of the stores whose clocks were moved, the shifts.
        self._shifts = {
            store_id: of_store.clock_shift
            for store_id, of_store in programs.items()
            if of_store.clock_shift
        }
        self._defaults = {store_id: of_store.default for store_id, of_store in programs.items()}
        self._choices: dict[tuple[str, str | None, str], Program | SkipReason] = {}

    def programs(self, store_id: str) -> StorePrograms:
        """The store's programs in force."""
        return self._programs.get(store_id, NO_PROGRAMS)

    @property
    def stores_with_lifecycle(self) -> set[str]:
        """The stores in whose programs points expire or wait, or did so."""
        return {store_id for store_id, of_store in self._programs.items() if of_store.has_lifecycle}

    def program_for(
        self, store_id: str, program_id: str | None, currency: str
    ) -> Program | SkipReason:
        """The program that prices such an order of the store, or why it is skipped."""
        key = store_id, program_id, currency
        choice = self._choices.get(key)
        if choice is None:
            choice = self._choices[key] = self.programs(store_id).select(program_id, currency)
        return choice

    def account(self, store_id: str, customer_id: str) -> Account:
        """The customer's account, which may be empty: it is written only if a rule marks it."""
        return self.accounts[store_id, customer_id]

    @property
    def accounts_to_write(self) -> dict[AccountKey, Account]:
        """The accounts that a rule marked."""
        return {key: account for key, account in self.accounts.items() if account.changed}

    @property
    def customers(self) -> dict[int, str]:
        """The customers of the accounts to write, by the id of the account."""
        return {
            account.id: account.customer_id for account in self.accounts.values() if account.changed
        }

    @property
    def program_ids(self) -> dict[int, UUID]:
        """The program of each version in force, and of those that priced the awards that were released."""
        in_force = {
            program.version_id: program.id
            for of_store in self._programs.values()
            for program in of_store.all
        }
        return in_force | self._released_programs

    def time_of(self, store_id: str, moment: datetime) -> datetime:
        """The time of a posting that happens now, at `moment` of real time: that of the store's timeline, or of
        its clock, which may have been moved."""
        timeline = self.timelines.get(store_id)
        if timeline is not None:
            return timeline.now
        return moment + self._shifts.get(store_id, _NO_SHIFT)

    def _id_of(self, store_id: str) -> str:
        """The next entry id of the store, whose time is that of the store's clock."""
        id_ = self._new_id()
        shift = self._shifts.get(store_id)
        return id_ if shift is None else shifted_id(id_, shift)

    def mark_for_write(self, account: Account, active_at: datetime | None = None) -> None:
        """Mark the account to be written with the batch. `active_at` is the time of the customer's
        activity, None if the posting is no activity of the customer."""
        account.changed = True
        if active_at is not None:
            account.record_activity(active_at)

    def trace(self, traceparent: str) -> None:
        """Have the next entries traced to the request with this traceparent."""
        if traceparent or self.traces:
            self.traces.append((len(self.entries), traceparent))

    def enter(
        self,
        account: Account,
        *,
        type_: TransactionType,
        points: int,
        lifetime_change: int,
        reason: str,
        occurred_at: datetime,
        program_version_id: int | None = None,
        tier: str | None = None,
        order_id: str | None = None,
        redemption_id: str | None = None,
        reward: RewardRef | None = None,
        change: CycleChange | None = None,
    ) -> Entry:
        """Add the next entry of `account`; raises Conflict if the balance exceeds its bound. `change` is
        what it does to the account's cycle, if it has one; covered points then cost nothing."""
        balance = account.balance + points
        lifetime = max(account.lifetime + lifetime_change, 0)
        if not -MAX_BALANCE <= balance <= MAX_BALANCE or lifetime > MAX_BALANCE:
            raise Conflict(f"The balance would exceed its limit of {MAX_BALANCE:,} points.")
        lots = pending = covered = available_at = None
        state = None if change is None else self.cycles.get(account.id)
        if change is not None and state is not None:
            note = change(state, account, points)
            points = note.points
            balance = account.balance + points
            lots = None if note.lots is None else entry_lots.encode(note.lots)
            pending, covered = note.pending or None, note.covered or None
            available_at = note.available_at
        account.balance = balance
        account.lifetime = lifetime
        account.sequence += 1
        self._follow_tier(account)
        entry = Entry(
            account.id,
            account.sequence,
            self._new_id() if not self._shifts else self._id_of(account.store_id),
            account.store_id,
            type_,
            points,
            balance,
            lifetime,
            reason,
            occurred_at,
            program_version_id,
            tier,
            order_id,
            redemption_id,
            None if reward is None else reward.id,
            None if reward is None else reward.name,
            lots,
            pending,
            covered,
            available_at,
        )
        self.entries.append(entry)
        self._count_day(account, entry)
        self.mark_for_write(account, occurred_at)
        return entry

    def mark_of(self, key: OrderKey) -> Mark:
        """The date of the award of an order."""
        for entry in self.entries[self._award_notes_end :]:
            if entry.type == "earn" and entry.order_id is not None:
                self.award_notes[entry.store_id, entry.order_id] = entry.lots, entry.sequence
        self._award_notes_end = len(self.entries)
        lots, sequence = self.award_notes[key]
        return entry_lots.mark(None if lots is None else entry_lots.decode(lots), sequence)

    def note_release(self, award: PendingAward, entry: Entry) -> None:
        """Note the entry that released the award of an order."""
        self.releases[award.key] = entry
        if award.program_version_id is not None and award.program is not None:
            self._released_programs[award.program_version_id] = award.program

    def remind(self, account: Account, reminder: Reminder) -> None:
        """Have the customer reminded, before the entry that comes next."""
        zone = self.cycles[account.id].epoch.zone
        self.reminders.append(
            ReminderNote(
                len(self.entries),
                account.id,
                account.store_id,
                reminder.points,
                to_date(reminder.day),
                end_of(reminder.day, zone),
                reminder.days_left,
                account.balance,
                reminder.at,
            )
        )

    def _count_day(self, account: Account, entry: Entry) -> None:
        """Count the entry in the totals of its day, by the event's own time."""
        day = entry.occurred_at.date()
        key = account.store_id, day
        change = self.days.get(key)
        if change is None:
            change = self.days[key] = DayChange()
        change.add(entry.type, entry.points)
        if entry.type != "expire":
            change.register(account, day)

    def _follow_tier(self, account: Account) -> None:
        """Note the tier after the entry that comes next, which may be another one."""
        default = self._defaults.get(account.store_id)
        if default is not None:
            held = default.tier_at(account.lifetime)
            name = None if held is None else held.name
            if name != account.tier:
                self.tier_changes.append(TierChange(len(self.entries), default.id, account.tier))
                account.tier = name
        self.tiers.append(account.tier)
