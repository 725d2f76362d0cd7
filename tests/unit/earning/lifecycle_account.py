"""One account for the tests of expiry: posts to a cycle as the ledger does, and keeps what the ledger keeps.

The cycle goes through its encoding after every step, and stays None as long as nothing can expire.
"""

from datetime import UTC, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from msgspec import Struct

from libs.contracts.lifecycle import Expiry
from libs.kernel.zones import find_zone
from services.earning.domain import catching_up, cycles, entry_lots, lots
from services.earning.domain.account_views import AccountView, view_account
from services.earning.domain.catching_up import Expiration, Reminder
from services.earning.domain.cycles import Cycle, Mark
from services.earning.domain.dates import NEVER, Day, day_of, to_date
from services.earning.domain.entry_lots import EntryLots
from services.earning.domain.expiry import Epoch, list_epochs, wake_at
from services.earning.domain.lots import Part
from services.earning.domain.timelines import Timeline

START_OF_2027 = datetime(2027, 1, 1, tzinfo=UTC)


def zone(name: str) -> ZoneInfo:
    found_zone = find_zone(name)
    assert found_zone is not None
    return found_zone


class Row(Struct):
    """An entry: `parts` are what a credit is made of, or what a debit was drawn from."""

    sequence: int
    type: str
    points: int
    parts: tuple[Part, ...] = ()
    covered: int = 0
    occurred_at: datetime | None = None
    note: str | None = None

    @property
    def lots(self) -> EntryLots:
        return entry_lots.EntryLots() if self.note is None else entry_lots.decode(self.note)


class Account:
    """An account of a store in `zone_name`, whose program is active and has no expiry setting yet."""

    def __init__(self, *, now: datetime, zone_name: str = "UTC") -> None:
        self.zone = zone(zone_name)
        self.now = now
        self.settings: list[Epoch] = []
        self.expiry: Expiry | None = None
        self.remind_days: tuple[int, ...] = ()
        self.is_active = True
        self.every_reminder = False
        self.balance = self.lifetime = self.sequence = 0
        self.is_suspended = False
        self.cycle: Cycle | None = None
        self.rows: list[Row] = []
        self.reminders: list[Reminder] = []
        self.awards: dict[str, Row] = {}
        self.redemptions: dict[str, Row] = {}
        self._note_setting()

    # What the store does.

    def set_expiry(self, expiry: Expiry | None) -> None:
        self.expiry = expiry
        self._note_setting()

    def set_remind_days(self, *days: int) -> None:
        self.remind_days = days
        self._note_setting()

    def set_zone(self, name: str) -> None:
        self.zone = zone(name)
        self._note_setting()

    def set_active(self, *, is_active: bool) -> None:
        self.is_active = is_active
        self._note_setting()

    def _note_setting(self) -> None:
        self.settings.append(
            Epoch(
                at=self.now,
                since=day_of(self.now, self.zone),
                zone=self.zone,
                expiry=self.expiry if self.is_active else None,
                remind_days=self.remind_days,
                is_active=self.is_active,
            )
        )

    @property
    def epochs(self) -> tuple[Epoch, ...]:
        return list_epochs(self.settings, utc=zone("UTC"))

    @property
    def epoch(self) -> Epoch:
        return self.epochs[-1]

    @property
    def today(self) -> Day:
        return self.epoch.day(self.now)

    # What time does.

    def go_to(self, now: datetime) -> None:
        assert now >= self.now
        self.now = now

    def go_to_day(self, day: Day) -> None:
        """To noon of a day, or no further than now."""
        noon = datetime.combine(to_date(day), time(12), self.zone).astimezone(UTC)
        self.go_to(max(self.now, noon))

    def touch(self) -> None:
        """What every posting does first, and the sweeper."""
        if self.cycle is None:
            if not any(epoch.expiry for epoch in self.epochs):
                return
            self.cycle = self._start()
        for change in catching_up.advance(
            self.cycle,
            self.epochs,
            to=self.now,
            now=self.now,
            sequence=self.sequence,
            every_reminder=self.every_reminder,
        ):
            if isinstance(change, Expiration):
                self._enter("expire", -change.points, parts=change.parts, occurred_at=change.at)
            else:
                self.reminders.append(change)
        self._store()

    def _start(self) -> Cycle:
        return cycles.start(
            self.epochs,
            balance=self.balance,
            sequence=self.sequence,
            is_suspended=self.is_suspended,
        )

    def _store(self) -> None:
        if self.cycle is not None:
            assert cycles.decode(cycles.encode(self.cycle)) == self.cycle
            self.cycle = cycles.decode(cycles.encode(self.cycle))

    @property
    def expired(self) -> dict[Day, int]:
        """The expired points by last day that no clawback covered, as the entries say."""
        return entry_lots.uncovered(
            (row.lots for row in self.rows if row.type == "expire"),
            (row.lots for row in self.rows if row.type in {"refund", "void"}),
        )

    @property
    def hint(self) -> datetime | None:
        """When the sweeper visits the account at the latest."""
        epochs = self.epochs
        entered = 0 if self.cycle is None else self.cycle.epoch
        hints = [] if self.cycle is None else [self.cycle.due_at(epochs[entered])]
        hints += [wake_at(*pair) for pair in pairwise(epochs[entered:])]
        return min((hint for hint in hints if hint is not None), default=None)

    def show(self) -> tuple[int, dict[Day, int], dict[Day, int]]:
        """What a read shows, without changing anything: the balance, the lots by day, and the expired
        points that are not covered."""
        copy = self._start() if self.cycle is None else cycles.decode(cycles.encode(self.cycle))
        changes = catching_up.advance(
            copy, self.epochs, to=self.now, now=self.now, sequence=self.sequence
        )
        # Nothing is due before the sweeper visits.
        assert not changes or (self.hint is not None and self.hint <= changes[0].at)
        balance, expired = self.balance, self.expired
        for change in changes:
            if isinstance(change, Expiration):
                balance -= change.points
                expired[change.day] = expired.get(change.day, 0) + change.points
        return balance, lots.by_day(copy.lots), {day: n for day, n in expired.items() if n}

    def view(self) -> AccountView:
        """What callers see."""
        return view_account(
            None if self.cycle is None else cycles.encode(self.cycle),
            Timeline(self.epochs, self.now),
            balance=self.balance,
            sequence=self.sequence,
            is_suspended=self.is_suspended,
        )

    # What callers post.

    def earn(
        self,
        name: str,
        points: int,
        *,
        available: Day | None = None,
        last_day: Day | None = None,
        own: bool = False,
    ) -> None:
        """An award that became available on a day, today unless given; `last_day` overrules the setting."""
        if own and self.cycle is None:
            self.cycle = self._start()
        self.touch()
        day = last_day or self.epoch.last_day(available or self.today)
        parts: tuple[Part, ...] = ()
        if self.cycle is not None:
            self.cycle.record_activity(
                available or self.today,
                epoch=self.epoch,
                today=self.today,
                sequence=self.sequence,
            )
            parts = self.cycle.credit(
                points, day, own=own, debt=max(-self.balance, 0), epoch=self.epoch
            )
        mark = None if day == NEVER and not own else Mark(day, own, self.sequence + 1)
        self._enter("earn", points, parts=parts, award=mark)
        self.lifetime += points
        self.awards[name] = self.rows[-1]
        self.touch()

    def adjust(self, points: int) -> None:
        self.touch()
        parts: tuple[Part, ...] = ()
        if self.cycle is not None and points > 0:
            day = self.epoch.last_day(self.today)
            parts = self.cycle.credit(
                points, day, own=False, debt=max(-self.balance, 0), epoch=self.epoch
            )
        elif self.cycle is not None:
            parts = self.cycle.debit(-points)
        self._enter("adjust", points, parts=parts)

    def redeem(self, name: str, points: int) -> None:
        self.touch()
        parts = () if self.cycle is None else self.cycle.debit(points)
        before = self.sequence
        self._enter("redeem", -points, parts=parts)
        if self.cycle is not None:
            self.cycle.record_activity(
                self.today, epoch=self.epoch, today=self.today, sequence=before
            )
        self.redemptions[name] = self.rows[-1]
        self._store()

    def cancel(self, name: str) -> None:
        self.touch()
        redemption = self.redemptions.pop(name)
        parts: tuple[Part, ...] = ()
        if self.cycle is not None:
            parts = self.cycle.give_back(
                -redemption.points,
                redemption.lots.parts,
                sequence=redemption.sequence,
                debt=max(-self.balance, 0),
                epoch=self.epoch,
                today=self.today,
            )
        self._enter("cancel", -redemption.points, parts=parts)

    def refund(self, name: str, points: int) -> None:
        self.void({name: points}, type_="refund")

    def void(self, remainders: dict[str, int], *, type_: str = "void") -> None:
        """Claw back points of awards, in the order of posting, in one entry."""
        self.touch()
        points = 0
        drawn: tuple[Part, ...] = ()
        covered: tuple[tuple[Day, int], ...] = ()
        expired = self.expired
        for name, remainder in remainders.items():
            if self.cycle is None:
                points += remainder
                continue
            award = self.awards[name]
            mark = entry_lots.mark(award.lots, award.sequence)
            clawback = self.cycle.claw_back(
                remainder, mark, expired, epoch=self.epoch, today=self.today
            )
            points += clawback.points
            drawn = (*drawn, *clawback.drawn)
            covered = (*covered, *clawback.covered)
        self._enter(type_, -points, parts=lots.merge(drawn), covered=covered)
        self.lifetime = max(self.lifetime - sum(remainders.values()), 0)

    def suspend(self) -> None:
        self.touch()
        self.is_suspended = True
        if self.cycle is not None:
            catching_up.suspend(self.cycle, today=self.today)
        self._store()

    def reinstate(self) -> None:
        self.touch()
        self.is_suspended = False
        if self.cycle is not None:
            catching_up.reinstate(self.cycle, self.epoch, today=self.today, sequence=self.sequence)
        self._store()

    def _enter(
        self,
        type_: str,
        points: int,
        *,
        parts: tuple[Part, ...] = (),
        occurred_at: datetime | None = None,
        award: Mark | None = None,
        covered: tuple[tuple[Day, int], ...] = (),
    ) -> None:
        self.balance += points
        self.sequence += 1
        note = (
            entry_lots.note_parts(parts, covered=covered)
            if award is None
            else entry_lots.note_award(award.day, parts, own=award.own)
        )
        row = Row(self.sequence, type_, points, parts, occurred_at=occurred_at or self.now)
        row.covered = sum(part for _, part in covered)
        row.note = None if note is None else entry_lots.encode(note)
        self.rows.append(row)
        self._store()
        if self.cycle is not None:
            assert self.cycle.lots.total == max(self.balance, 0) or type_ == "expire"

    def next_day(self, days: int = 1) -> None:
        self.go_to(self.now + timedelta(days=days))
