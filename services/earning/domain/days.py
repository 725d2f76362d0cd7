"""The totals of a store's day: what each entry adds to them."""

from msgspec import Struct, field

from services.earning.domain.accounts import Entry


class DayChange(Struct):
    """Points that a batch adds to a day, all positive: `redeemed` is net of cancelled redemptions,
    and adjustments count in no column."""

    issued: int = 0
    redeemed: int = 0
    taken_back: int = 0
    expired: int = 0
    account_ids: set[int] = field(default_factory=set)

    def add(self, entry: Entry) -> None:
        """Count an entry of the day."""
        match entry.type:
            case "earn":
                self.issued += entry.points
            case "redeem" | "cancel":
                self.redeemed -= entry.points
            case "refund" | "void":
                self.taken_back -= entry.points
            case "expire":
                self.expired -= entry.points
            case "adjust":
                pass
        self.account_ids.add(entry.account_id)
