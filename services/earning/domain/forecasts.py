"""The forecast of a store: how many points of its customers expire on which day, if nothing else happens.

docs/rules/expiry.md. It is added up account by account, so that a large store can be read in slices.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple

from msgspec import Struct

from libs.contracts.lifecycle import MAX_FORECAST_DAYS
from services.earning.domain.account_views import view_account
from services.earning.domain.dates import Day
from services.earning.domain.timelines import Timeline

# A forecast reaches a day further than callers may request, since a day may end before the next forecast.
_DAYS: Final = MAX_FORECAST_DAYS + 1


class ActiveAccount(NamedTuple):
    """What the forecast needs of an account that is not suspended."""

    balance: int
    sequence: int
    cycle: bytes | None


class DayForecast(Struct, array_like=True):
    """`points` of so many `customers` expire when `day` ends."""

    day: Day
    points: int
    customers: int


def within(days: Iterable[DayForecast], number: int, *, today: Day) -> list[DayForecast]:
    """Those from today to `number` days later, both included."""
    return [one for one in days if today <= one.day <= today + number]


class Forecast:
    """The points of accounts whose last day is at most _DAYS from today, by last day."""

    def __init__(self, days: Iterable[DayForecast] = ()) -> None:
        self._days = {one.day: DayForecast(one.day, one.points, one.customers) for one in days}

    @property
    def days(self) -> list[DayForecast]:
        """The days with points, earliest first."""
        return [self._days[day] for day in sorted(self._days)]

    def add(self, accounts: Iterable[ActiveAccount], timeline: Timeline) -> None:
        """Add accounts of the store with this timeline."""
        epoch = timeline.epochs[-1]
        until = epoch.day(timeline.now) + _DAYS
        untouched = []
        for account in accounts:
            if account.cycle is not None:
                self._add_view(account, timeline, until=until, customers=1)
            elif account.balance > 0:
                untouched.append(account.balance)
        if untouched:
            # All points of accounts without a cycle have the same date, so one view shows them all.
            together = ActiveAccount(sum(untouched), 1, None)
            self._add_view(together, timeline, until=until, customers=len(untouched))

    def _add_view(
        self, account: ActiveAccount, timeline: Timeline, *, until: Day, customers: int
    ) -> None:
        view = view_account(
            account.cycle,
            timeline,
            balance=account.balance,
            sequence=account.sequence,
            is_suspended=False,
        )
        for day, points in view.days.items():
            if day <= until:
                sums = self._days.get(day)
                if sums is None:
                    sums = self._days[day] = DayForecast(day, 0, 0)
                sums.points += points
                sums.customers += customers
