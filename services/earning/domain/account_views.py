"""What callers see of an account now. docs/rules/expiry.md.

Points past their date are left out although nothing is posted yet. Pending points are shown until their release
is posted.
"""

from datetime import date, datetime

from msgspec import Struct, field

from services.earning.domain import catching_up, cycles
from services.earning.domain.catching_up import Expiration
from services.earning.domain.dates import Day, end_of, to_date
from services.earning.domain.expiry import Epoch
from services.earning.domain.timelines import Timeline


class ExpiringPoints(Struct, frozen=True):
    """`points` expire at `expires_at`, when their last day `expires_on` ends."""

    points: int
    expires_on: date
    expires_at: datetime


class AccountView(Struct, frozen=True, kw_only=True):
    """The points of an account now: `days` has those that expire by last day, earliest first, and
    `without_date` the others. `epoch` is the one that the dates follow, None where nothing expires or waits."""

    balance: int
    without_date: int
    pending: int = 0
    days: dict[Day, int] = field(default_factory=dict)
    epoch: Epoch | None = None

    @property
    def next_expiration(self) -> ExpiringPoints | None:
        return next((self.expiring(day) for day in self.days), None)

    def expiring(self, day: Day) -> ExpiringPoints:
        """The points that expire when `day`, one of `days`, ends."""
        assert self.epoch is not None
        return ExpiringPoints(self.days[day], to_date(day), end_of(day, self.epoch.zone))


def view_account(
    cycle: bytes | None,
    timeline: Timeline | None,
    *,
    balance: int,
    sequence: int,
    is_suspended: bool,
) -> AccountView:
    """The view of an account as it is stored. `timeline` is None in a store without one: no points of the
    account expire or wait."""
    if timeline is None or (cycle is None and not timeline.has_expiry):
        return AccountView(balance=balance, without_date=max(balance, 0))
    state = (
        cycles.decode(cycle)
        if cycle is not None
        else cycles.start(
            timeline.epochs, balance=balance, sequence=sequence, is_suspended=is_suspended
        )
    )
    changes = catching_up.advance(
        state, timeline.epochs, to=timeline.now, now=timeline.now, sequence=sequence
    )
    expired = sum(change.points for change in changes if isinstance(change, Expiration))
    epoch = timeline.epochs[state.epoch]
    return AccountView(
        balance=balance - expired,
        without_date=state.without_date(epoch),
        pending=state.pending,
        days=state.expirations(epoch),
        epoch=epoch,
    )
