"""What callers see of an account now. docs/rules/expiry.md.

Points past their date are left out although nothing is posted yet. Pending points are shown until their release
is posted.
"""

from datetime import date, datetime

from msgspec import Struct, field

from services.earning.domain import catching_up, cycles
from services.earning.domain.account_cycles import AccountCycle
from services.earning.domain.catching_up import Expiration
from services.earning.domain.cycles import Mark
from services.earning.domain.dates import NEVER, Day, end_of, to_date
from services.earning.domain.expiry import Epoch
from services.earning.domain.timelines import Timeline


class ExpiringPoints(Struct, frozen=True):
    """`points` expire at `expires_at`, when their last day `expires_on` ends."""

    points: int
    expires_on: date
    expires_at: datetime


class AccountView(Struct, frozen=True, kw_only=True):
    """The points of an account now: `days` has those that expire by last day, earliest first, and
    `without_date` the others. `state` is the cycle brought up to now, None where nothing expires or waits."""

    balance: int
    without_date: int
    pending: int = 0
    days: dict[Day, int] = field(default_factory=dict)
    state: AccountCycle | None = None

    @property
    def epoch(self) -> Epoch | None:
        """The settings that the dates follow."""
        return None if self.state is None else self.state.epoch

    @property
    def next_expiration(self) -> ExpiringPoints | None:
        return next((self.expiring(day) for day in self.days), None)

    def expiring(self, day: Day) -> ExpiringPoints:
        """The points that expire when `day`, one of `days`, ends."""
        assert self.epoch is not None
        return ExpiringPoints(self.days[day], to_date(day), end_of(day, self.epoch.zone))

    def last_day(self, mark: Mark) -> Day | None:
        """The present last day of an award, which may have passed. None for one without a date in force, and
        under `inactivity`, where all points live on with the next activity."""
        if self.state is None:
            return None
        epoch = self.state.epoch
        dated = self.state.cycle.find_date(
            mark.day, own=mark.own, sequence=mark.sequence, epoch=epoch, today=self.state.today
        )
        if dated.is_over:
            return None if dated.by_inactivity else dated.day
        is_in_force = mark.own or (epoch.expiry is not None and not epoch.by_inactivity)
        return dated.day if is_in_force and dated.day != NEVER else None


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
    current = (
        cycles.decode(cycle)
        if cycle is not None
        else cycles.start(
            timeline.epochs, balance=balance, sequence=sequence, is_suspended=is_suspended
        )
    )
    changes = catching_up.advance(
        current, timeline.epochs, to=timeline.now, now=timeline.now, sequence=sequence
    )
    expired = sum(change.points for change in changes if isinstance(change, Expiration))
    state = AccountCycle(current, timeline)
    return AccountView(
        balance=balance - expired,
        without_date=current.without_date(state.epoch),
        pending=current.pending,
        days=current.expirations(state.epoch),
        state=state,
    )
