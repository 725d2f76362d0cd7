"""A customer whose points expire and wait: a list of single points, and the orders whose points wait.

Everything happens at noon UTC, in a zone that has the same date then and midnight on every day.
"""

from collections import Counter
from datetime import UTC, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import UNSET, Struct

from libs.contracts.lifecycle import Expiry, Pending
from libs.kernel.clock import format_time
from services.earning.domain.dates import NEVER, Day, to_date, to_day
from tests.unit.earning.naive_points import Item, NaiveAccount


class Order(Struct, kw_only=True):
    """An order of `total` cents, worth a point per dollar. Its wait ends on `due_on`, at the instant `ends_at`."""

    number: int
    total: int
    award: int
    due_on: Day
    ends_at: datetime
    gives_up: bool
    pending: int = 0
    refunded: int = 0
    refunded_points: int = 0
    voided: int = 0
    given_up: int = 0

    @property
    def clawed_back(self) -> int:
        return self.refunded_points + self.voided

    @property
    def remainder(self) -> int:
        return self.award - self.clawed_back - self.given_up


class LifecycleAccount(NaiveAccount):
    """The account, in a store with these settings."""

    def __init__(
        self, today: Day, *, expiry: Expiry | None, pending: Pending | None, zone: ZoneInfo
    ) -> None:
        super().__init__(today)
        self.expiry, self.waits, self.zone = expiry, pending, zone
        self.lifetime = 0
        self.orders: dict[str, Order] = {}

    def end_of(self, day: Day) -> datetime:
        return datetime.combine(to_date(day + 1), time(), self.zone).astimezone(UTC)

    def go_to(self, today: Day) -> None:
        while self.today < today:
            self.today += 1
            self.settle()

    def settle(self) -> None:
        """Release or give up what is due, and expire."""
        due = [one for one in self.orders.values() if one.pending and one.due_on <= self.today]
        for order in sorted(due, key=lambda one: (one.ends_at, one.number)):
            if order.gives_up:
                order.given_up, order.pending = order.pending, 0
            else:
                self._release(order, order.due_on)
        self.expire()

    def order(self, name: str, total: int, completed_on: Day) -> None:
        self.exists = True
        self.note_activity(completed_on)
        last = completed_on if self.waits is None else completed_on + self.waits.days
        gives_up = self.waits is not None and self.waits.from_ == "fulfilled"
        if gives_up:
            assert self.waits is not None
            assert self.waits.give_up_days is not UNSET
            last = completed_on + self.waits.give_up_days
        order = self.orders[name] = Order(
            number=len(self.orders),
            total=total,
            award=total // 100,
            due_on=last + 1,
            ends_at=self.end_of(last),
            gives_up=gives_up,
            pending=total // 100,
        )
        if self.waits is None:
            self._release(order, completed_on)
        self.settle()

    def _release(self, order: Order, available: Day) -> None:
        points, order.pending = order.pending, 0
        self.lifetime += points
        self.add_award(str(order.number), points, available, None)

    def award(self, points: int, own_day: Day | None) -> None:
        self.lifetime += points
        self.earn("award", points, self.today, own_day)

    def add(self, points: int, own_day: Day | None) -> None:
        if own_day is None:
            self.adjust(points)
        else:
            self.credit(points, own_day, own=True)

    def fulfill(self, name: str, at: datetime) -> None:
        order, day = self.orders[name], to_day(at.astimezone(self.zone).date())
        assert self.waits is not None
        order.gives_up = False
        order.due_on, order.ends_at = day, at
        if self.waits.days:
            order.due_on = day + self.waits.days + 1
            order.ends_at = self.end_of(order.due_on - 1)
        self.settle()

    def release(self, name: str) -> None:
        self._release(self.orders[name], self.today)

    def refund(self, name: str, cents: int) -> None:
        order = self.orders[name]
        order.refunded += cents
        share = order.award * order.refunded // order.total
        points = max(min(share - order.refunded_points, order.remainder), 0)
        order.refunded_points += points
        self._take(order, points)

    def void(self, names: list[str]) -> None:
        for name in names:
            order = self.orders[name]
            points = order.remainder
            order.voided += points
            self._take(order, points)

    def _take(self, order: Order, points: int) -> None:
        waiting = min(points, order.pending)
        order.pending -= waiting
        if points > waiting:
            self.claw_back(str(order.number), points - waiting)
            self.lifetime = max(self.lifetime - (points - waiting), 0)

    def is_awake(self, point: Item) -> bool:
        day = self.day_of(point)
        return day != NEVER and (point.own or self.expiry is not None)

    def view(self) -> dict[str, Any]:
        """What callers see of the customer."""
        days = Counter(self.day_of(one) for one in self.points if self.is_awake(one))
        expirations = [
            {
                "points": days[day],
                "expires_on": to_date(day).isoformat(),
                "expires_at": format_time(self.end_of(day)),
            }
            for day in sorted(days)
        ]
        return {
            "balance": self.balance,
            "lifetime": self.lifetime,
            "pending": sum(order.pending for order in self.orders.values()),
            "next_expiration": expirations[0] if expirations else None,
            "expirations": expirations,
            "without_date": len(self.points) - days.total(),
            "waiting": {
                name: (order.pending, order.gives_up, format_time(order.ends_at))
                for name, order in self.orders.items()
                if order.pending
            },
            "orders": {
                name: (order.award, order.pending, order.clawed_back, order.refunded)
                for name, order in self.orders.items()
            },
        }
