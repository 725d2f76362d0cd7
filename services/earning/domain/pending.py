"""Pending points: when the points of an order become available. docs/rules/pending.md.

A pending order has a `Window` on its row, made by the setting in force when it was posted. Only dates are
stored, so a change of the store's zone moves the instants. `Cycle.pending` and `Cycle.waits` have the sums
of the account, and `Cycle.releases` the instants of releases that are no ends of days. The `pend` entry shows
`available_at` as it was then.
"""

from datetime import datetime
from typing import Literal
from zoneinfo import ZoneInfo

from msgspec import UNSET, Struct

from libs.contracts.lifecycle import DEFAULT_GIVE_UP_DAYS, Pending
from services.earning.domain.dates import Day, day_of, end_of


class Due(Struct, frozen=True):
    """At `at` the points are released, or given up because the order was not fulfilled."""

    kind: Literal["release", "give_up"]
    at: datetime


class Window(Struct, frozen=True, kw_only=True):
    """How long the points of one order wait. Either they are released when the day `release_on` has ended,
    or, with the fulfillment itself, at `release_at`; or they wait for the fulfillment, are then released
    `days` later, and without it are given up when the day `give_up_on` has ended."""

    days: int
    release_on: Day | None = None
    release_at: datetime | None = None
    give_up_on: Day | None = None

    @property
    def waits_for_fulfillment(self) -> bool:
        return self.give_up_on is not None

    def due(self, zone: ZoneInfo) -> Due:
        """What ends the wait, and when."""
        if self.release_at is not None:
            return Due("release", self.release_at)
        if self.release_on is not None:
            return Due("release", end_of(self.release_on, zone))
        assert self.give_up_on is not None
        return Due("give_up", end_of(self.give_up_on, zone))

    def available_at(self, zone: ZoneInfo) -> datetime | None:
        """When the points become available; None while that is not known."""
        due = self.due(zone)
        return due.at if due.kind == "release" else None

    def is_open(self, now: datetime, zone: ZoneInfo) -> bool:
        """Whether the points still wait at `now`."""
        return self.due(zone).at > now

    def wait_on(self, zone: ZoneInfo) -> Day:
        """The day whose end ends the wait; of a release at an instant the day before, so that it is not too
        late."""
        if self.release_at is not None:
            return day_of(self.release_at, zone) - 1
        day = self.give_up_on if self.release_on is None else self.release_on
        assert day is not None
        return day


def open_window(
    pending: Pending,
    *,
    completed_at: datetime,
    zone: ZoneInfo,
    fulfilled_at: datetime | None = None,
) -> Window:
    """The window of an order under a setting. `fulfilled_at` is that of a fulfillment that overtook it."""
    completed_on = day_of(completed_at, zone)
    if pending.from_ != "fulfilled":
        return Window(days=pending.days, release_on=completed_on + pending.days)
    give_up_days = DEFAULT_GIVE_UP_DAYS if pending.give_up_days is UNSET else pending.give_up_days
    window = Window(days=pending.days, give_up_on=completed_on + give_up_days)
    return window if fulfilled_at is None else fulfill(window, fulfilled_at, zone)


def fulfill(window: Window, fulfilled_at: datetime, zone: ZoneInfo) -> Window:
    """The window after the order's fulfillment; only the first one counts, and only for an order that
    waits for it."""
    if not window.waits_for_fulfillment:
        return window
    if window.days == 0:
        return Window(days=0, release_at=fulfilled_at)
    return Window(days=window.days, release_on=day_of(fulfilled_at, zone) + window.days)


def split(points: int, pending: int) -> tuple[int, int]:
    """How a clawback of `points` divides: what it takes of the pending points of its awards, and what from
    the lots."""
    from_pending = min(points, pending)
    return from_pending, points - from_pending
