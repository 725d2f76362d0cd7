"""Times as they are written and cut."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from libs.kernel.clock import format_time, truncate, utc_now
from libs.kernel.ids import first_id_at, time_of


@pytest.mark.parametrize(
    ("moment", "written"),
    [
        pytest.param(datetime(2026, 3, 10, 12, tzinfo=UTC), "2026-03-10T12:00:00.000Z", id="whole"),
        pytest.param(
            datetime(2026, 3, 10, 12, 0, 0, 7_999, UTC), "2026-03-10T12:00:00.007Z", id="cut"
        ),
        pytest.param(datetime(987, 1, 2, tzinfo=UTC), "0987-01-02T00:00:00.000Z", id="old"),
    ],
)
def test_a_time_is_written_in_milliseconds_with_a_z(moment: datetime, written: str) -> None:
    assert format_time(moment) == written


def test_a_time_is_cut_to_milliseconds_in_utc() -> None:
    offset = timezone(timedelta(hours=2))
    cut = truncate(datetime(2026, 3, 10, 14, 0, 0, 123_456, offset))
    assert cut == datetime(2026, 3, 10, 12, 0, 0, 123_000, UTC)
    assert cut.tzinfo is UTC
    assert truncate(cut) is cut


def test_the_present_has_whole_milliseconds() -> None:
    before = datetime.now(UTC) - timedelta(milliseconds=1)
    present = [utc_now() for _ in range(1_000)]
    assert all(one.microsecond % 1_000 == 0 for one in present)
    assert before < present[0] <= present[-1] <= datetime.now(UTC)


def test_an_id_tells_the_millisecond_it_was_made_in() -> None:
    for milliseconds in (0, 1, 1_773_144_000_123, 2**47):
        moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)
        assert time_of(str(first_id_at(moment))) == moment
