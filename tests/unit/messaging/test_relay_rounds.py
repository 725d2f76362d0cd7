"""How much of the outbox the relay publishes in one round."""

from typing import Any, cast

import pytest

from libs.messaging.relay import _MAX_EVENTS, _limit_events


@pytest.mark.parametrize(
    ("events", "count"),
    [
        pytest.param([], 0, id="nothing"),
        pytest.param([1] * 20, 20, id="small rows"),
        pytest.param([_MAX_EVENTS // 4] * 20, 4, id="rows up to the limit"),
        pytest.param([_MAX_EVENTS - 1, 1, 1], 2, id="the row that reaches the limit"),
        pytest.param([_MAX_EVENTS * 2, 1], 1, id="a row beyond the limit"),
    ],
)
def test_a_round_ends_with_the_row_that_reaches_the_limit(events: list[int], count: int) -> None:
    rows = cast(Any, [{"events": number} for number in events])
    assert len(_limit_events(rows)) == count
