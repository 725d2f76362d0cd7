"""The geometry of charts, and how days become buckets."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.dashboard.domain import charts
from services.dashboard.domain.buckets import Bucket, buckets, size_for, sums
from services.dashboard.domain.charts import Mark

DAY = date(2026, 3, 1)


@pytest.mark.parametrize(
    ("highest", "expected"),
    [(0, [1]), (1, [1]), (3, [1, 2, 3]), (61_000, [50_000, 100_000]), (540, [200, 400, 600])],
)
def test_ticks_are_round(highest: int, expected: list[float]) -> None:
    assert charts.axis_ticks(highest) == expected


@settings(deadline=None)
@given(st.lists(st.integers(0, 10**12), min_size=1, max_size=400))
def test_columns_stay_inside_of_their_box(values: list[int]) -> None:
    chart = charts.columns(values, width=600, height=96)
    assert len(chart.columns) == len(values)
    for column in chart.columns:
        assert column.y >= -0.01
        assert 0 <= column.x <= column.x + column.width <= 600.01
        assert abs(column.y + column.height - 96) <= 0.02
        assert (column.height > 0) == (column.value > 0)
    # Values that differ by less than a drawn unit have the same height.
    highest = max(chart.columns, key=lambda column: column.value)
    assert highest.height == max(column.height for column in chart.columns)


def test_columns_are_drawn_as_one_path_without_those_of_zero() -> None:
    chart = charts.columns([2, 0, 1], width=300, height=96)
    assert chart.path() == "M14 96v-96h72v96zM214 96v-48h72v48z"
    assert chart.path(end=-1) + chart.path(start=-1) == chart.path()


@settings(deadline=None)
@given(st.integers(0, 5_000))
def test_buckets_cover_every_day_once(days: int) -> None:
    last = DAY + timedelta(days=days)
    parts = buckets(DAY, last)
    assert parts[0].first == DAY
    assert parts[-1].last == last
    for before, after in pairwise(parts):
        assert after.first == before.last + timedelta(days=1)
    values = {DAY + timedelta(days=number): number for number in range(days + 1)}
    assert sum(sums(parts, values)) == sum(values.values())


def test_a_longer_range_has_larger_buckets() -> None:
    sizes = [size_for(DAY, DAY + timedelta(days=days - 1)) for days in (92, 93, 371, 3_661)]
    assert sizes == ["day", "week", "month", "year"]
    assert buckets(date(2026, 12, 30), date(2027, 1, 2))[-1] == Bucket(
        date(2027, 1, 2), date(2027, 1, 2)
    )


def test_a_timeline_of_one_moment_has_its_mark_in_the_middle() -> None:
    chart = charts.timeline(
        [Mark(datetime(2026, 3, 1, tzinfo=UTC), 5, is_marked=True)], threshold=10
    )
    assert chart.marks[0].x == 300
    assert chart.threshold == 0
