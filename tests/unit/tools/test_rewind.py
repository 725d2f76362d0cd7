"""From where consumers read again after a restore, and that every topic is covered."""

import pytest

from libs.contracts.access import ACCESS
from libs.contracts.groups import GROUPS
from libs.contracts.topics import CONSUMED, DEAD_LETTERS_HANDLED
from tools.restore.contents import CONTENTS
from tools.restore.rewind import choose_range
from tools.stack.lag import OffsetRange


def test_a_topic_that_the_services_write_can_be_compared_with_a_database() -> None:
    shop = next(access for access in ACCESS if access.principal == "shop")
    dead_letters = {topic.dead_letters for topic in CONSUMED} | {DEAD_LETTERS_HANDLED}
    consumed = {topic for group in GROUPS for topic in group.topics}
    assert set(CONTENTS) == consumed - {*shop.writes} - dead_letters


@pytest.mark.parametrize(
    ("first", "committed", "expected"),
    [
        pytest.param(50, [90], 50, id="from before the instant"),
        pytest.param(50, [90, 30], 30, id="a group had fallen behind"),
        pytest.param(100, [90], 90, id="nothing was published since"),
        pytest.param(50, [-1], 10, id="a group has committed nothing"),
        pytest.param(50, [3], 10, id="the broker has deleted old records"),
        pytest.param(50, [700], 50, id="the topic was deleted and created again"),
    ],
)
def test_groups_read_again_what_their_databases_may_lack(
    first: int, committed: list[int], expected: int
) -> None:
    whole = OffsetRange(10, 100)
    assert choose_range(whole, first, committed) == OffsetRange(expected, 100)
