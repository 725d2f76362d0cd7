"""The count of dead letters survives a record whose key names no place."""

import pytest
from aiokafka import TopicPartition

from tools.stack.lag import parse_place


def test_a_key_names_the_place_of_a_dead_letter() -> None:
    place = (TopicPartition("order.completed.dlq", 2), 41)
    assert parse_place(b"order.completed.dlq:2:41") == place


@pytest.mark.parametrize("key", [None, b"", b"forged", b"a:b:c", b"\xff:0:1"])
def test_a_forged_key_names_none(key: bytes | None) -> None:
    assert parse_place(key) is None
