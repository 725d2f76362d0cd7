"""The timeline of a store: the settings that were in force one after the other, and the time now.

The settings follow from the versions of the store's programs, so a change of a program writes no account.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from functools import cached_property
from uuid import UUID
from zoneinfo import ZoneInfo

from msgspec import Struct

from libs.contracts.lifecycle import DEFAULT_TIME_ZONE, Expiry, Pending
from libs.kernel.zones import find_zone
from services.earning.domain.dates import Day, day_of
from services.earning.domain.expiry import Epoch, list_epochs


class SettingsVersion(Struct, frozen=True, kw_only=True):
    """What a version of a program says about dates, and about the waits of its orders; it is in force from `at`
    on."""

    id: int = 0
    program_id: UUID
    at: datetime
    is_active: bool
    time_zone: str | None
    expiry: Expiry | None
    remind_days: tuple[int, ...] | None
    pending: Pending | None = None


class Timeline(Struct, frozen=True, dict=True):
    """The epochs of a store, and `now`, the time at which its postings of this batch happen."""

    epochs: tuple[Epoch, ...]
    now: datetime

    @cached_property
    def latest(self) -> int:
        """The place of the epoch that is in force."""
        return len(self.epochs) - 1

    @cached_property
    def today(self) -> Day:
        """The local day of `now`."""
        return self.epochs[-1].day(self.now)

    @cached_property
    def reminds(self) -> bool:
        """Whether customers are reminded."""
        return bool(self.epochs[-1].remind_days)

    @cached_property
    def has_expiry(self) -> bool:
        """Whether points of the store expire by a setting, or did so."""
        return any(epoch.expiry is not None for epoch in self.epochs)


def build_epochs(versions: Iterable[SettingsVersion]) -> tuple[Epoch, ...]:
    """The epochs of a store, from all versions of its programs in the order in which they were made."""
    epochs: list[Epoch] = []
    in_force: dict[UUID, SettingsVersion] = {}
    zone = utc = zone_of(None)
    at = datetime.min.replace(tzinfo=UTC)
    for version in versions:
        in_force[version.program_id] = version
        # The clock of the database may have been set back between two versions.
        at = max(at, version.at)
        active = [version for version in in_force.values() if version.is_active]
        default = min(active, key=lambda version: version.program_id, default=None)
        zone = zone if default is None else zone_of(default.time_zone)
        epochs.append(
            Epoch(
                at=at,
                since=day_of(at, zone),
                zone=zone,
                expiry=None if default is None else default.expiry,
                remind_days=() if default is None else default.remind_days or (),
                is_active=default is not None,
            )
        )
    return list_epochs(epochs, utc=utc)


def zone_of(name: str | None) -> ZoneInfo:
    """The zone that a program names; UTC if it names none."""
    zone = find_zone(name or DEFAULT_TIME_ZONE)
    assert zone is not None, f"the time zone database has no {name}"
    return zone
