"""Pending awards: the points of orders that wait. docs/rules/pending.md."""

from datetime import datetime
from uuid import UUID

from msgspec import Struct

from services.earning.domain.dates import Day
from services.earning.domain.order_records import OrderKey
from services.earning.domain.pending import Window


class PendingAward(Struct, kw_only=True):
    """The award of the order `key`, which the entry `sequence` posted as `pend`.

    `points` are left of it. Without a `window` the wait is over: they were released by the entry
    `earn_sequence`, clawed back or given up, and `given_up` points left the award's remainder. `wait_on` is
    the day under which the account's cycle counts the wait. The other fields are those of the `pend`.
    """

    key: OrderKey
    account_id: int
    sequence: int
    points: int
    reason: str
    occurred_at: datetime
    program_version_id: int | None
    program: UUID | None
    tier: str | None
    window: Window | None
    wait_on: Day | None
    given_up: int = 0
    earn_sequence: int | None = None

    @property
    def gives_up(self) -> bool:
        """Whether the points are given up when the wait ends."""
        return self.window is not None and self.window.waits_for_fulfillment

    @property
    def release_at(self) -> datetime | None:
        """The instant of the release, if it is not the end of a day."""
        return None if self.window is None else self.window.release_at
