"""A naive model of expiry: an account as a list of single points, each with its own date.

It goes through every day, and applies every rule to every point when it happens. Awards, and what redemptions
drew, are items of the list without a point, so that their dates go through the same rules. It shares with
the ledger only the last day of a setting, which has tables of its own.
"""

from collections.abc import Callable, Iterable

from msgspec import Struct

from libs.contracts.lifecycle import Expiry
from services.earning.domain.dates import NEVER, Day
from services.earning.domain.expiry import last_day, returned_days


class Item(Struct, eq=False):
    """A point, or the date of an award or of a drawn part (`count` points of it)."""

    day: Day
    own: bool
    is_point: bool = True
    count: int = 1
    is_over: bool = False
    by_inactivity: bool = False


class NaiveAccount:
    """The account; `today` is a local day, and everything of a day happens at noon."""

    def __init__(self, today: Day) -> None:
        self.today = today
        self.items: list[Item] = []
        self.debt = 0
        self.expiry: Expiry | None = None
        self.remind_days: tuple[int, ...] = ()
        # By last day, days before it, and points.
        self.reminders: list[tuple[Day, int, int]] = []
        self.is_active = True
        self.is_suspended = self.is_cleared = self.exists = False
        self.active_on: Day | None = None
        self.expired: dict[Day, int] = {}
        self.covered = 0
        self.awards: dict[str, Item] = {}
        self.drawn: dict[str, tuple[int, list[Item]]] = {}

    @property
    def setting(self) -> Expiry | None:
        return self.expiry if self.is_active else None

    @property
    def by_inactivity(self) -> bool:
        return self.setting is not None and self.setting.kind == "inactivity"

    @property
    def points(self) -> list[Item]:
        """The points in the order in which debits draw them."""
        points = [item for item in self.items if item.is_point]
        return sorted(points, key=lambda item: (self.day_of(item), item.own))

    @property
    def balance(self) -> int:
        return len(self.points) - self.debt

    def day_of(self, item: Item) -> Day:
        if item.own or not self.by_inactivity or self.active_on is None:
            return item.day
        return max(item.day, last_day(self.setting, self.active_on))

    def go_to(self, today: Day) -> None:
        while self.today < today:
            self.today += 1
            self.expire()
            self.remind()

    def remind(self) -> None:
        """Send the reminders of the start of the day."""
        if self.is_suspended or not self.is_active:
            return
        days = [
            self.day_of(point) for point in self.points if point.own or self.setting is not None
        ]
        self.reminders += [
            (self.today + n, n, days.count(self.today + n))
            for n in self.remind_days
            if self.today + n in days
        ]

    def has_passed(self, item: Item) -> bool:
        is_awake = item.own or self.setting is not None
        return is_awake and not item.is_over and self.day_of(item) < self.today

    def expire(self) -> None:
        if self.is_suspended or not self.is_active:
            return
        for item in [item for item in self.items if self.has_passed(item)]:
            item.is_over, item.by_inactivity = True, self.by_inactivity and not item.own
            if item.is_point:
                day = self.day_of(item)
                self.expired[day] = self.expired.get(day, 0) + 1
                self.items.remove(item)

    def living(self, *, own: bool) -> Iterable[Item]:
        return (item for item in self.items if item.own == own and not item.is_over)

    def credit(self, count: int, day: Day, *, own: bool = False) -> None:
        self.exists = True
        paid = min(count, self.debt)
        self.debt -= paid
        self.items += [Item(day, own) for _ in range(count - paid)]

    def earn(self, name: str, count: int, available: Day, own_day: Day | None) -> None:
        self.note_activity(available)
        self.add_award(name, count, available, own_day)

    def note_activity(self, day: Day) -> None:
        self.active_on = max(self.active_on or day, day)

    def add_award(self, name: str, count: int, available: Day, own_day: Day | None) -> None:
        day = own_day or last_day(self.setting, available)
        self.credit(count, day, own=own_day is not None)
        self.awards[name] = Item(day, own=own_day is not None, is_point=False)
        self.items.append(self.awards[name])
        self.expire()

    def adjust(self, points: int) -> None:
        if points > 0:
            self.credit(points, last_day(self.setting, self.today))
        else:
            self.take(-points, self.points)

    def take(self, count: int, points: list[Item]) -> list[Item]:
        drawn_points = points[:count]
        for point in drawn_points:
            self.items.remove(point)
        self.debt += count - len(drawn_points)
        return drawn_points

    def redeem(self, name: str, count: int) -> None:
        drawn_points = self.take(count, self.points)
        parts = [
            Item(self.day_of(point), point.own, is_point=False)
            for point in drawn_points
            # Undated points return as if earned on the day of their return.
            if point.own or point.day != NEVER
        ]
        self.items += parts
        self.drawn[name] = count, parts
        self.note_activity(self.today)

    def cancel(self, name: str) -> None:
        count, parts = self.drawn.pop(name)
        days = [(last_day(self.setting, self.today), False)] * (count - len(parts))
        for part in parts:
            self.items.remove(part)
            days.append((self.returned(part), part.own))
        for day, own in sorted(days, key=lambda pair: (self.day_of(Item(*pair)), pair[1])):
            self.credit(1, day, own=own)

    def returned(self, part: Item) -> Day:
        later = self.today + returned_days(self.setting)
        return max(part.day, later) if part.is_over else self.day_of(part)

    def claw_back(self, name: str, count: int) -> int:
        """Take points of an award; returns how many were covered."""
        award = self.awards[name]
        covered = 0
        if award.is_over:
            for day in sorted(self.expired):
                if day == award.day or (award.by_inactivity and day > award.day):
                    part = min(count - covered, self.expired[day])
                    self.expired[day] -= part
                    covered += part
        day = self.day_of(award)
        self.take(
            count - covered,
            sorted(
                self.points,
                key=lambda item: (
                    award.is_over or self.day_of(item) != day,
                    self.day_of(item),
                    item.own != award.own if self.day_of(item) == day else item.own,
                ),
            ),
        )
        self.covered += covered
        return covered

    def set_expiry(self, expiry: Expiry | None) -> None:
        def change() -> None:
            self.expiry = expiry

        self._change(change)

    def set_active(self, *, is_active: bool) -> None:
        def change() -> None:
            self.is_active = is_active

        became_active = is_active and not self.is_active
        self._change(change)
        if became_active and not self.is_suspended:
            if self.is_cleared:
                self._excuse(own=True)
            self.is_cleared = False
            self.expire()

    def _change(self, change: Callable[[], None]) -> None:
        """Floor what follows the setting if its kind, or the period of inactivity, changes."""
        before = self.setting
        days_before = {id(item): self.day_of(item) for item in self.items}
        was_inactivity = self.by_inactivity
        change()
        after = self.setting
        if (before and before.kind) == (after and after.kind) and not (
            was_inactivity and before != after
        ):
            return
        for item in self.living(own=False):
            item.day = days_before[id(item)]
            floor = last_day(after, self.today)
            if after is not None:
                item.day = floor if item.day == NEVER else max(item.day, floor)
        if self.by_inactivity and self.exists:
            self.active_on = max(self.active_on or self.today, self.today)

    def suspend(self) -> None:
        self.is_suspended = True

    def reinstate(self) -> None:
        self.is_suspended = False
        if not self.is_active:
            self.is_cleared = True
            return
        for own in (True, False):
            self._excuse(own=own)

    def _excuse(self, *, own: bool) -> None:
        later = self.today + returned_days(self.setting)
        passed = [item for item in self.living(own=own) if self.has_passed(item)]
        for item in passed:
            item.day = later
