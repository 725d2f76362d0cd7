"""Each consumer group may read its topics: the rights are a table apart from that of the groups."""

import pytest

from libs.contracts.access import ACCESS
from libs.contracts.groups import GROUPS, Group
from libs.contracts.topics import CONSUMED, dead_letter_topic


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.name)
def test_a_group_may_read_its_topics_and_write_their_dead_letters(group: Group) -> None:
    (access,) = (access for access in ACCESS if access.principal == group.service)
    assert set(group.topics) <= set(access.reads)
    with_letters = {topic.name for topic in CONSUMED} & set(group.topics)
    assert {dead_letter_topic(topic) for topic in with_letters} <= set(access.writes)
    assert any(group.name.startswith(prefix) for prefix in access.groups)
