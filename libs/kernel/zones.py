"""Time zones, from one pinned database: the package `tzdata`, and never the one of the operating system.

Two processes with different databases would expire the same points at different instants.
`zoneinfo.ZoneInfo(name)` prefers the system's database; use `find_zone` instead.
"""

from functools import cache
from importlib import resources
from typing import Final
from zoneinfo import ZoneInfo

import tzdata

DATABASE_VERSION: Final = tzdata.IANA_VERSION


@cache
def zone_names() -> frozenset[str]:
    """The IANA names that the database knows, such as `Europe/Berlin`."""
    return frozenset((resources.files(tzdata) / "zones").read_text().split())


@cache
def place_names() -> tuple[str, ...]:
    """The names that the database lists for places, in their order: those to choose from, without the names
    that it only keeps for compatibility."""
    rows = (resources.files(tzdata) / "zoneinfo" / "zone.tab").read_text().splitlines()
    return tuple(sorted(row.split("\t")[2] for row in rows if not row.startswith("#")))


def find_zone(name: str) -> ZoneInfo | None:
    """The zone of that IANA name, or None; the same object for every call with a name."""
    return _read_zone(name) if name in zone_names() else None


@cache
def _read_zone(name: str) -> ZoneInfo:
    with (resources.files(tzdata) / "zoneinfo").joinpath(*name.split("/")).open("rb") as file:
        return ZoneInfo.from_file(file, key=name)
