"""The local day of an instant, also where a zone's clocks are changed around midnight."""

import random
from datetime import UTC, datetime, timedelta

import pytest

from services.earning.domain.dates import day_of, to_day
from tests.unit.earning.lifecycle_account import zone

_TEN_MINUTES = timedelta(minutes=10)


@pytest.mark.parametrize(
    ("zone_name", "change"),
    [
        pytest.param("Europe/Berlin", "2027-10-31", id="put back at three"),
        pytest.param("America/St_Johns", "2010-11-07", id="put back over midnight"),
        pytest.param("America/Sao_Paulo", "2018-02-18", id="put back at midnight"),
        pytest.param("Africa/Cairo", "2027-04-30", id="put forward at midnight"),
        pytest.param("America/Toronto", "1919-03-30", id="put forward over midnight"),
        pytest.param("Pacific/Apia", "2011-12-30", id="a day left out"),
        pytest.param("Pacific/Kwajalein", "1969-09-30", id="a day twice"),
    ],
)
def test_the_day_of_an_instant_does_not_depend_on_the_instant_before(
    zone_name: str, change: str
) -> None:
    start = datetime.fromisoformat(change).replace(tzinfo=UTC) - timedelta(days=3)
    instants = [start + count * _TEN_MINUTES for count in range(6 * 24 * 6)]
    shuffled = random.Random(1).sample(instants, len(instants))
    for instant in (*instants, *reversed(instants), *shuffled):
        local = instant.astimezone(zone(zone_name))
        assert day_of(instant, zone(zone_name)) == to_day(local.date()), f"{instant} as {local}"
