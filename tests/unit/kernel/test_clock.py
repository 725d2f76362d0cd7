"""Times are formatted in UTC and truncated to milliseconds."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from libs.kernel.clock import format_time, truncate, utc_now
from libs.kernel.ids import first_id_at, time_of


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        pytest.param(
            datetime(2026, 3, 10, 12, tzinfo=UTC), "2026-03-10T12:00:00.000Z", id="no fraction"
        ),
        pytest.param(
            datetime(2026, 3, 10, 12, 0, 0, 7_999, UTC), "2026-03-10T12:00:00.007Z", id="truncated"
        ),
        pytest.param(datetime(987, 1, 2, tzinfo=UTC), "0987-01-02T00:00:00.000Z", id="before 1000"),
    ],
)
def test_a_time_is_formatted_in_milliseconds_with_a_z(moment: datetime, text: str) -> None:
    assert format_time(moment) == text


def test_a_time_is_truncated_to_milliseconds_in_utc() -> None:
    offset = timezone(timedelta(hours=2))
    truncated = truncate(datetime(2026, 3, 10, 14, 0, 0, 123_456, offset))
    assert truncated == datetime(2026, 3, 10, 12, 0, 0, 123_000, UTC)
    assert truncated.tzinfo is UTC
    assert truncate(truncated) is truncated


def test_the_current_time_has_whole_milliseconds() -> None:
    before = datetime.now(UTC) - timedelta(milliseconds=1)
    times = [utc_now() for _ in range(1_000)]
    assert all(time.microsecond % 1_000 == 0 for time in times)
    assert before < times[0] <= times[-1] <= datetime.now(UTC)


def test_an_id_contains_the_millisecond_of_its_creation() -> None:
    for milliseconds in (0, 1, 1_773_144_000_123, 2**47):
        moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)
        assert time_of(str(first_id_at(moment))) == moment
