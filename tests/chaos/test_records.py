"""The encoder writes what a client reads, and what a client cannot read is marked so."""

import random

import pytest
from aiokafka.record.default_records import DefaultRecordBatch

from libs.contracts.topics import CATALOG_REWARD
from tests.chaos.effects import TOPICS, ConsumedTopic
from tests.chaos.hostile import Hostile, Maker
from tests.chaos.hostile_kinds import HEAVY, KINDS
from tests.chaos.hostile_values import CASES, spoil
from tests.chaos.records import CODECS, Record, encode_batch, filled_record

RECORDS = [
    Record(value=b"v", key=b"k", headers=((b"a", b"1"), (b"b", None), (b"", b""))),
    Record(value=None),
    Record(value=b"x" * 100_000, key=b"", timestamp=-(2**62)),
]


@pytest.mark.parametrize("codec", CODECS)
def test_an_encoded_batch_is_read_as_it_was_written(codec: str) -> None:
    batch = DefaultRecordBatch(encode_batch(RECORDS, codec=codec))
    assert batch.validate_crc()
    for offset, (read, written) in enumerate(zip(batch, RECORDS, strict=True)):
        assert (read.offset, read.key, read.value) == (offset, written.key, written.value)
        assert [(name.encode(), value) for name, value in read.headers] == list(written.headers)
        assert written.timestamp in {None, read.timestamp}


def test_a_batch_is_filled_to_the_byte() -> None:
    for size in (100, 1_000, 16_500, 1_114_112):
        assert len(encode_batch([filled_record(size, key=b"k")])) == size


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
def test_every_hostile_record_can_be_made(topic: ConsumedTopic) -> None:
    seed = random.randrange(10**6)
    print("seed", seed)
    maker = Maker(topic=topic, store_id="store_x", choose=random.Random(seed))
    for name, make in {**KINDS, **HEAVY}.items():
        hostile = make(maker)
        assert hostile.kind == name
        assert len(hostile.batch or encode_batch([hostile.record])) <= maker.limit
        assert is_readable(hostile) == hostile.readable or name.startswith("zeros"), name
        assert topic.name != CATALOG_REWARD or hostile.record.key is not None
    for field, value, *_ in CASES[topic.name]:
        assert spoil(maker, field, value) != maker.value()


def is_readable(hostile: Hostile) -> bool:
    batch = hostile.batch or encode_batch([hostile.record])
    try:
        return len(list(DefaultRecordBatch(batch))) == 1
    except Exception:  # noqa: BLE001  the decompressors' own
        return False
