"""Every process reads time zones from the pinned package, whatever the machine has."""

import re
import zoneinfo
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib import metadata, resources
from pathlib import Path

import pytest

from libs.kernel import zones

ROOT = Path(__file__).parents[3]
SUMMER = datetime(2027, 7, 1, tzinfo=UTC)


@pytest.fixture
def fresh_zones() -> Iterator[None]:
    """Nothing is in the caches, before and after the test."""
    system = zoneinfo.TZPATH
    zones._read_zone.cache_clear()
    yield
    zoneinfo.reset_tzpath(system)
    zoneinfo.ZoneInfo.clear_cache()


@pytest.mark.usefixtures("fresh_zones")
def test_a_zone_of_the_system_is_not_used(tmp_path: Path) -> None:
    utc = resources.files("tzdata") / "zoneinfo" / "UTC"
    (tmp_path / "Europe").mkdir()
    (tmp_path / "Europe" / "Berlin").write_bytes(utc.read_bytes())
    zoneinfo.reset_tzpath([str(tmp_path)])
    zoneinfo.ZoneInfo.clear_cache()
    of_the_system = zoneinfo.ZoneInfo("Europe/Berlin")
    berlin = zones.find_zone("Europe/Berlin")
    assert SUMMER.astimezone(of_the_system).utcoffset() == timedelta(0)
    assert SUMMER.astimezone(berlin).utcoffset() == timedelta(hours=2)


def test_the_database_is_the_pinned_one() -> None:
    pinned = re.findall(
        r"^tzdata==(\S+) \\$",
        (ROOT / "requirements/services/earning.txt").read_text(),
        re.MULTILINE,
    )
    assert [metadata.version("tzdata")] == pinned
    year, number = pinned[0].split(".")
    assert f"{year}{'abcdefghijklmnopqrstuvwxyz'[int(number) - 1]}" == zones.DATABASE_VERSION


def test_all_sets_of_packages_have_the_same_database() -> None:
    files = sorted((ROOT / "requirements").glob("**/*.txt"))
    pins = {
        pin
        for file in files
        for pin in re.findall(r"^tzdata==(\S+)", file.read_text(), re.MULTILINE)
    }
    assert len(pins) == 1


@pytest.mark.parametrize(
    "name", ["", "Berlin", "europe/berlin", "../UTC", "Europe", "zones", "Mars/Base"]
)
def test_another_name_is_no_zone(name: str) -> None:
    assert zones.find_zone(name) is None


def test_every_name_of_the_database_is_a_zone() -> None:
    assert len(zones.zone_names()) > 500
    for name in zones.zone_names():
        zone = zones.find_zone(name)
        assert zone is not None
        assert zone.key == name
    assert zones.find_zone("UTC") is zones.find_zone("UTC")


def test_nothing_else_reads_zones_by_name() -> None:
    readers = [
        str(path.relative_to(ROOT))
        for folder in ("libs", "services", "tools")
        for path in (ROOT / folder).rglob("*.py")
        if path != Path(zones.__file__)
        and re.search(r"ZoneInfo\(|available_timezones", path.read_text())
    ]
    assert readers == []


def test_places_are_names_that_the_database_knows_without_those_of_compatibility() -> None:
    places = zones.place_names()
    assert set(places) < zones.zone_names()
    assert "Asia/Kolkata" in places
    assert "Asia/Calcutta" not in places
