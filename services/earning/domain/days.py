"""The totals of a store's day: what each entry adds to them."""

from collections.abc import Collection, Iterable, Mapping
from datetime import date

from msgspec import Struct, field

from libs.contracts.events import TransactionType
from services.earning.domain.accounts import Account


class DayChange(Struct):
    """Points that a batch adds to a day, all positive: `redeemed` is net of cancelled redemptions,
    and adjustments count in no column. `account_ids` has the accounts that were not active on the day
    before, and `unsure` those of which only their entries say that, until `settle`."""

    issued: int = 0
    redeemed: int = 0
    taken_back: int = 0
    expired: int = 0
    account_ids: set[int] = field(default_factory=set)
    unsure: set[int] = field(default_factory=set)

    def add(self, type_: TransactionType, points: int) -> None:
        """Count an entry of the day."""
        match type_:
            case "earn":
                self.issued += points
            case "redeem" | "cancel":
                self.redeemed -= points
            case "refund" | "void":
                self.taken_back -= points
            case "expire":
                self.expired -= points
            case "adjust":
                pass

    def register(self, account: Account, day: date) -> None:
        """Have the account registered as active on the day, unless it was before. Its latest active day says
        so for most postings, which come several times a day, or in the order of time."""
        last = account.last_day
        if last == day or account.id in self.account_ids:
            return
        is_later = account.sequence == 1 if last is None else day > last
        if is_later:
            self.account_ids.add(account.id)
            _set_last_day(account, day)
        else:
            self.unsure.add(account.id)


DayChanges = Mapping[tuple[str, date], DayChange]


def settle(
    changes: DayChanges, accounts: Iterable[Account], active: Collection[tuple[int, date]]
) -> None:
    """Register the accounts that a change is unsure of. `active` has the days on which these accounts were
    active before, from the first such change on. `accounts` get their latest day if it was not known."""
    latest: dict[int, date] = {}
    for (_, day), change in changes.items():
        change.account_ids |= {id_ for id_ in change.unsure if (id_, day) not in active}
        latest |= {id_: max(day, latest.get(id_, day)) for id_ in change.unsure}
        change.unsure.clear()
    for id_, day in active:
        latest[id_] = max(day, latest.get(id_, day))
    for account in accounts:
        if account.last_day is None and account.id in latest:
            _set_last_day(account, latest[account.id])


def _set_last_day(account: Account, day: date) -> None:
    account.last_day = day
    account.last_day_changed = True
