"""The points at which tests kill a service are functions that exist, so that a rename is noticed here
and not after minutes in a test that starts servers."""

import inspect

import pytest

from tests.chaos.killable import AFTER_COMMIT, BEFORE_COMMIT, POINTS

ALL = [(group, point) for group, points in POINTS.items() for point in points]


@pytest.mark.parametrize(("group", "point"), ALL)
def test_a_kill_point_wraps_a_coroutine_function(group: str, point: str) -> None:
    owner, name, _ = POINTS[group][point]
    assert inspect.iscoroutinefunction(getattr(owner, name))


@pytest.mark.parametrize("group", BEFORE_COMMIT)
def test_every_kill_point_is_before_or_after_the_commit(group: str) -> None:
    assert {*BEFORE_COMMIT[group], *AFTER_COMMIT[group]} == set(POINTS[group])
