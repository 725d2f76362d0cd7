"""Catching up: what became due on an account, in the order of the instants.

Each posting on an account first brings its cycle up to now, and so does the sweeper. Reads do the same with
a copy and show the result, so that nothing is shown after its day. Releases and give-ups are posted by
the caller, between two calls of `advance`: at one instant a release comes first.

    for release in releases due by now, in the order of their instants:
        advance(cycle, epochs, to=just_before(release.at), …); post the release
    advance(cycle, epochs, to=now, …)
"""

from datetime import datetime, timedelta
from itertools import groupby, pairwise
from operator import attrgetter
from typing import Final

from msgspec import Struct

from services.earning.domain import lots
from services.earning.domain.cycles import Cycle
from services.earning.domain.dates import EARLIEST, NEVER, Day, end_of, start_of
from services.earning.domain.expiry import Epoch, moves_dates
from services.earning.domain.lots import Part
from services.earning.domain.moves import Move

_RESOLUTION: Final = timedelta(milliseconds=1)


class Expiration(Struct, frozen=True):
    """The points of one last day expired at `at`; `parts` are the lots. They are removed from the cycle
    already: the caller posts the entry."""

    at: datetime
    day: Day
    parts: tuple[Part, ...]

    @property
    def points(self) -> int:
        return lots.total(self.parts)


class Reminder(Struct, frozen=True):
    """`points` expire on `day`, and the reminder of `days_left` days before was due at `at`."""

    at: datetime
    day: Day
    points: int
    days_left: int


Change = Expiration | Reminder


def just_before(instant: datetime) -> datetime:
    """The last instant before another one."""
    return instant - _RESOLUTION


def advance(
    cycle: Cycle,
    epochs: tuple[Epoch, ...],
    *,
    to: datetime,
    now: datetime,
    sequence: int,
    every_reminder: bool = False,
) -> list[Change]:
    """Bring the cycle up to `to` and return what became due, in order. `sequence` is that of the account's
    last entry.

    Of the reminders of one date that are due by `now`, only the nearest is returned, and none if the date
    has passed, unless `every_reminder`.
    """
    changes: list[Change] = []
    entered_at = None
    while True:
        epoch = epochs[cycle.epoch]
        following = epochs[cycle.epoch + 1] if cycle.epoch < len(epochs) - 1 else None
        if following is not None and following.at > to:
            following = None
        end = to if following is None else following.at
        if cycle.suspended_on is None and epoch.is_active:
            reminders = _remind(cycle, epoch, end, None if every_reminder else now)
            passed: list[Change] = [*_expire(cycle, epoch, end, entered_at), *reminders]
            # At one instant an expiration comes first: the sort is stable.
            passed.sort(key=lambda change: change.at)
            changes += passed
        if following is None:
            return changes
        _enter(cycle, epoch, following, sequence)
        entered_at = following.at


def _expire(
    cycle: Cycle, epoch: Epoch, end: datetime, entered_at: datetime | None
) -> list[Expiration]:
    """The dates that have passed at `end`. At `entered_at` the account entered the epoch: what had passed
    by then, and was kept until then, is due then."""

    def is_over(part: Part) -> bool:
        return cycle.is_awake(part, epoch) and end_of(part.day, epoch.zone) <= end

    first = cycle.first_day(epoch)
    if first is None or end_of(first, epoch.zone) > end:
        return []
    removed = cycle.lots.remove(is_over)
    expirations = []
    for day, parts in groupby(removed, key=attrgetter("day")):
        at = end_of(day, epoch.zone)
        expirations.append(
            Expiration(at if entered_at is None else max(at, entered_at), day, tuple(parts))
        )
    return expirations


def _remind(cycle: Cycle, epoch: Epoch, end: datetime, now: datetime | None) -> list[Reminder]:
    """The reminders that are due at `end`. If `now` is given, reminders that a later one of their date, or
    the end of that date, has overtaken by then are lost."""
    if not epoch.remind_days:
        return []
    today, reminded_on = epoch.day(end), cycle.reminded_on
    if today <= reminded_on:
        return []
    cycle.reminded_on = today
    reminders = []
    for day, points in cycle.expirations(epoch).items():
        for days_left in epoch.remind_days:
            remind_on = day - days_left
            if reminded_on < remind_on <= today and not (
                now is not None and _is_overtaken(day, days_left, epoch, now)
            ):
                at = start_of(remind_on, epoch.zone)
                reminders.append(Reminder(at, day, points, days_left))
    return reminders


def _is_overtaken(day: Day, days_left: int, epoch: Epoch, now: datetime) -> bool:
    nearer = (start_of(day - n, epoch.zone) for n in epoch.remind_days if n < days_left)
    return end_of(day, epoch.zone) <= now or any(at <= now for at in nearer)


def _enter(cycle: Cycle, previous: Epoch, following: Epoch, sequence: int) -> None:
    """Go on to the following epoch; `sequence` is that of the account's last entry."""
    today = following.since
    if moves_dates(previous.expiry, following.expiry):
        _change_setting(cycle, previous, following, sequence)
    if following.expiry is not None:
        cycle.unset_on = None
    elif cycle.unset_on is None:
        cycle.unset_on = min(today, today if cycle.suspended_on is None else cycle.suspended_on)
    if following.is_active:
        _end_inactive(cycle, following, sequence)
    elif cycle.inactive_on is None:
        cycle.inactive_on = today
    if following.remind_days != previous.remind_days or not previous.is_active:
        cycle.reminded_on = max(cycle.reminded_on, today)
    cycle.epoch += 1


def _change_setting(cycle: Cycle, previous: Epoch, following: Epoch, sequence: int) -> None:
    today = following.since
    _apply(cycle, _setting_move(cycle, previous, following, sequence))
    if following.by_inactivity and sequence > 0:
        cycle.active_on = today if cycle.active_on is None else max(cycle.active_on, today)
        cycle.raise_lots(cycle.account_date(following))


def _setting_move(cycle: Cycle, previous: Epoch, following: Epoch, sequence: int) -> Move:
    """Points expire no earlier than if they had been earned on the day of the change, and never earlier than on
    their date."""
    today = following.since
    first = cycle.alive_from(own=False, today=today)
    floor = EARLIEST if following.expiry is None else following.last_day(today)
    account_date = cycle.account_date(previous)
    if previous.by_inactivity and account_date >= first:
        first, floor = EARLIEST, max(floor, account_date)
    return Move(
        sequence=sequence,
        own=False,
        first=first,
        until=NEVER,
        floor=floor,
        from_never=following.expiry is not None,
        by_inactivity=previous.by_inactivity,
    )


def last_day_since(cycle: Cycle, epochs: tuple[Epoch, ...], available_at: datetime) -> Day:
    """The last day of points that became available at an instant that may be in an earlier epoch, and were
    kept since: by the setting in force then, moved by the changes since then."""
    entered = epochs[: cycle.epoch + 1]
    place = max(place for place, epoch in enumerate(entered) if epoch.at < available_at)
    day = entered[place].last_day(entered[place].day(available_at))
    for previous, following in pairwise(entered[place:]):
        if moves_dates(previous.expiry, following.expiry):
            day = _setting_move(cycle, previous, following, 0).target(day)
    return day


def _end_inactive(cycle: Cycle, epoch: Epoch, sequence: int) -> None:
    """A program is active again. Of an account that was suspended meanwhile, nothing has expired."""
    inactive_on, cycle.inactive_on = cycle.inactive_on, None
    if inactive_on is None:
        return
    if cycle.suspended_on is not None:
        cycle.suspended_on = min(cycle.suspended_on, inactive_on)
    elif cycle.is_cleared:
        _excuse(cycle, epoch, own=True, first=inactive_on, today=epoch.since, sequence=sequence)
    cycle.is_cleared = False


def suspend(cycle: Cycle, *, today: Day) -> None:
    """Pause: nothing of the account expires until it is made active again."""
    if cycle.suspended_on is None:
        cycle.suspended_on = today


def reinstate(cycle: Cycle, epoch: Epoch, *, today: Day, sequence: int) -> None:
    """Make the account active again, after its held orders and due releases were posted: every lot whose
    date has passed lives for another `returned_days`; without an active program, once there is one."""
    suspended_on, cycle.suspended_on = cycle.suspended_on, None
    if suspended_on is None:
        return
    if epoch.expiry is None:
        cycle.unset_on = min(suspended_on, today if cycle.unset_on is None else cycle.unset_on)
    if not epoch.is_active:
        cycle.inactive_on = min(
            suspended_on, today if cycle.inactive_on is None else cycle.inactive_on
        )
        cycle.is_cleared = True
        return
    cycle.reminded_on = max(cycle.reminded_on, today)
    _excuse(cycle, epoch, own=True, first=suspended_on, today=today, sequence=sequence)
    account_date = cycle.account_date(epoch)
    if epoch.expiry is not None and account_date < today:
        # By inactivity, all points lived at least until the account's date.
        first = EARLIEST if account_date >= suspended_on else suspended_on
        _excuse(cycle, epoch, own=False, first=first, today=today, sequence=sequence)


def _excuse(
    cycle: Cycle, epoch: Epoch, *, own: bool, first: Day, today: Day, sequence: int
) -> None:
    """Points whose date has passed, but not before `first`, get another `returned_days`."""
    excuse = Move(
        sequence=sequence,
        own=own,
        first=first,
        until=today - 1,
        floor=today + epoch.returned_days,
        by_inactivity=epoch.by_inactivity and not own,
    )
    if first < today:
        _apply(cycle, excuse)


def _apply(cycle: Cycle, change: Move) -> None:
    """Move the lots, and note the move for earlier awards."""
    cycle.lots.move(lambda part: change.target(part.day) if part.own == change.own else part.day)
    if change.sequence > 0:
        cycle.moves = (*cycle.moves, change)
