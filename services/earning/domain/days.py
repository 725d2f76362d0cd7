"""The totals of a store's day: what each entry adds to them."""

from datetime import date

from msgspec import Struct, field

from libs.contracts.events import TransactionType
from services.earning.domain.accounts import Account


class DayChange(Struct):
    """Points that a batch adds to a day, all positive: `redeemed` is net of cancelled redemptions,
    and adjustments count in no column. `account_ids` has the accounts that may not be registered as
    active on the day."""

    issued: int = 0
    redeemed: int = 0
    taken_back: int = 0
    expired: int = 0
    account_ids: set[int] = field(default_factory=set)

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
            case "adjust" | "pend":
                pass

    def register(self, account: Account, day: date) -> None:
        """Have the account registered as active on the day, unless its latest registered day is this
        one: most customers post several times a day, or in the order of time."""
        if account.last_day == day:
            return
        self.account_ids.add(account.id)
        if account.last_day is None or day > account.last_day:
            account.last_day = day
            account.last_day_changed = True
