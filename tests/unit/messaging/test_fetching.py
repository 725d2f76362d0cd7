"""Every record of a fetch is returned, whatever its bytes: read, or unreadable at its offset."""

import contextvars
import gc
import random
import struct
import weakref
from collections.abc import Callable
from typing import Any

import cramjam
import pytest
from aiokafka import TopicPartition
from aiokafka.consumer.fetcher import READ_UNCOMMITTED, PartitionRecords
from aiokafka.consumer.subscription_state import SubscriptionState
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.util import calc_crc32c

from libs.messaging import fetching
from libs.messaging.fetching import MAX_UNPACKED_BYTES, FetchedRecords, Unreadable
from tests.chaos.records import SHIFTED, Record, encode_batch

CODECS = pytest.mark.parametrize("codec", range(5), ids=["plain", "gzip", "snappy", "lz4", "zstd"])
_CRC = slice(17, 21)
_HEADER_BYTES = 61
# The magic bytes of xerial's framing, and its version.
_XERIAL_HEADER = b"\x82SNAPPY\x00" + struct.pack(">ii", 1, 1)


def batch(*records: tuple[bytes | None, bytes | None], codec: int = 0, base: int = 0) -> bytearray:
    """A batch as a broker returns it, with a header on each record."""
    builder = DefaultRecordBatchBuilder(2, codec, 0, -1, -1, -1, 1 << 30)
    for number, (key, value) in enumerate(records):
        builder.append(number, 1_000 + number, key, value, [("name", b"x")])
    data = bytearray(builder.build())
    data[:8] = struct.pack(">q", base)
    return data


def with_checksum(data: bytearray) -> bytes:
    """The batch with a valid checksum, after its content was changed."""
    data[_CRC] = struct.pack(">I", calc_crc32c(bytes(data[21:])))
    return bytes(data)


def read(*batches: bytes | bytearray) -> list[Any]:
    fetch = FetchedRecords(b"".join(bytes(data) for data in batches))
    records: list[Any] = []
    while fetch.has_next():
        records += fetch.next_batch()
    return records


@CODECS
def test_complete_batches_are_read_and_a_truncated_batch_is_not(codec: int) -> None:
    first = batch((b"k", b"one"), (None, b"two"), codec=codec)
    second = batch((b"k", None), codec=codec, base=2)
    records = read(first, second, batch((b"k", b"truncated"))[:-1])
    assert [(record.offset, record.key, record.value) for record in records] == [
        (0, b"k", b"one"),
        (1, None, b"two"),
        (2, b"k", None),
    ]
    assert list(records[0].headers) == [("name", b"x")]


@CODECS
def test_skipped_keys_are_not_returned_to_the_task_that_skips_them(codec: int) -> None:
    data = batch((b"large", b"1"), (b"small", b"2"), (None, b"3"), codec=codec)

    def read_small() -> list[Any]:
        fetching.skip_keys(lambda key: key == b"large")
        return read(data)

    offsets = [record.offset for record in contextvars.copy_context().run(read_small)]
    assert offsets == [1, 2]
    assert len(read(data)) == 3


@pytest.mark.parametrize(
    "interrupt",
    [
        pytest.param(lambda state, partition: state.pause(partition), id="paused"),
        pytest.param(lambda state, partition: state.seek(partition, 5), id="at another offset"),
    ],
)
async def test_a_fetch_that_is_not_consumed_further_is_freed_without_the_garbage_collector(
    interrupt: Callable[[SubscriptionState, TopicPartition], None],
) -> None:
    partition = TopicPartition("orders", 0)
    state = SubscriptionState()
    state.assign_from_user({partition})
    state.seek(partition, 0)
    fetch = FetchedRecords(bytes(batch((b"k", b"one"), (b"k", b"two"))))
    fetched = fetching.FetchResult(
        partition,
        assignment=state.subscription.assignment,
        partition_records=PartitionRecords(
            partition, fetch, [], 0, None, None, False, READ_UNCOMMITTED
        ),
        backoff=0,
    )
    remaining = weakref.ref(fetch)
    del fetch
    gc.disable()
    try:
        assert [record.value for record in fetched.getall(1)] == [b"one"]
        interrupt(state, partition)
        assert fetched.getall(1) == []
        assert remaining() is None
    finally:
        gc.enable()


def test_a_header_name_that_is_not_utf_8_makes_only_its_own_record_unreadable() -> None:
    data = batch((b"a", b"1"), (b"b", b"2"), (b"c", b"3"))
    second_name = data.index(b"name", data.index(b"name") + 1)
    data[second_name] = 0xFF
    records = read(with_checksum(data))
    assert [(record.offset, record.key, record.value) for record in records] == [
        (0, b"a", b"1"),
        (1, b"b", b"2"),
        (2, b"c", b"3"),
    ]
    assert [isinstance(record.value, Unreadable) for record in records] == [False, True, False]
    assert records[1].value.reason == "the name of a header is not UTF-8"
    assert records[1].headers == [("\\xffame", b"x")]


def test_attributes_that_shift_the_offset_hide_no_record() -> None:
    """By itself, aiokafka reads an offset of 27 for the record, and skips all records before it."""
    good = [Record(key=b"k", value=b"%d" % number) for number in range(4)]
    records = read(encode_batch([*good[:2], SHIFTED, *good[2:]]))
    assert [record.offset for record in records] == list(range(5))
    assert [record.value for record in records if record.offset != 2] == [b"0", b"1", b"2", b"3"]


@pytest.mark.parametrize("number", [-1, 0, 4, 2**40])
def test_an_offset_out_of_order_makes_only_its_own_record_unreadable(number: int) -> None:
    """The third of four records has a wrong offset."""
    sent = [Record(key=b"k", value=b"%d" % index, timestamp=1_000) for index in range(4)]
    records = read(encode_batch(sent, offsets=[0, 1, number, 3]))
    assert [record.offset for record in records] == [0, 1, 2, 3]
    assert [isinstance(record.value, Unreadable) for record in records] == [
        False,
        False,
        True,
        False,
    ]
    assert records[2].value.reason == "its offset is out of order"


@pytest.mark.parametrize("codec", [1, 2, 3, 4], ids=["gzip", "snappy", "lz4", "zstd"])
def test_a_batch_that_unpacks_to_too_much_is_one_unreadable_record(codec: int) -> None:
    bomb = batch((b"k", b"\0" * (MAX_UNPACKED_BYTES + 1)), codec=codec, base=5)
    records = read(bomb, batch((b"k", b"next"), base=6))
    assert [record.offset for record in records] == [5, 6]
    assert isinstance(records[0].value, Unreadable)
    assert "cannot be decompressed" in records[0].value.reason
    assert bytes(records[0].value) == bytes(bomb)
    assert records[1].value == b"next"


@pytest.mark.parametrize("codec", [1, 2, 3, 4], ids=["gzip", "snappy", "lz4", "zstd"])
def test_a_batch_just_below_the_limit_is_read(codec: int) -> None:
    (record,) = read(batch((b"k", b"\0" * (MAX_UNPACKED_BYTES - 1_000)), codec=codec))
    assert len(record.value) == MAX_UNPACKED_BYTES - 1_000


@pytest.mark.parametrize("codec", [1, 3, 4], ids=["gzip", "lz4", "zstd"])
def test_a_batch_that_compresses_badly_is_bounded_too(codec: int) -> None:
    """Its packed size alone suggests a buffer over the bound."""
    value = random.randbytes(MAX_UNPACKED_BYTES // 7) + bytes(MAX_UNPACKED_BYTES)
    (record,) = read(batch((b"k", value), codec=codec))
    assert isinstance(record.value, Unreadable)
    assert "cannot be decompressed" in record.value.reason


def test_broken_bytes_are_decompressed_only_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A larger buffer is for a batch that did not fit, not for a batch that is no gzip."""
    rooms: list[int] = []

    def count(decompress: Callable[[bytes, bytearray], int]) -> Callable[[bytes, bytearray], int]:
        def counted(packed: bytes, buffer: bytearray) -> int:
            rooms.append(len(buffer))
            return decompress(packed, buffer)

        return counted

    monkeypatch.setitem(fetching._UNPACK_INTO, 1, count(cramjam.gzip.decompress_into))
    broken = batch((b"k", b"one"))
    broken[22] |= 1
    (record,) = read(with_checksum(broken))
    assert isinstance(record.value, Unreadable)
    assert len(rooms) == 1


@pytest.mark.parametrize(
    "excess", [pytest.param(1, id="too long"), pytest.param(-1_000, id="negative")]
)
def test_a_snappy_block_with_a_wrong_length_is_unreadable(excess: int) -> None:
    plain = bytes(batch((b"k", b"one")))
    block = bytes(cramjam.snappy.compress_raw(plain[_HEADER_BYTES:]))
    length = len(block) + excess
    header = bytearray(plain[:_HEADER_BYTES])
    header[22] |= 2
    data = header + _XERIAL_HEADER + struct.pack(">i", length) + block
    data[8:12] = struct.pack(">i", len(data) - 12)
    (record,) = read(with_checksum(data))
    assert isinstance(record.value, Unreadable)
    assert "cannot be decompressed" in record.value.reason


def test_a_wrong_checksum_and_an_unknown_codec_are_unreadable() -> None:
    wrong = batch((b"k", b"one"))
    wrong[-1] ^= 1
    unknown = batch((b"k", b"two"), base=1)
    unknown[22] |= 7
    records = read(wrong, with_checksum(unknown), batch((b"k", b"three"), base=2))
    assert [getattr(record.value, "reason", None) for record in records] == [
        "the checksum of the batch is wrong",
        "the batch is compressed with an unknown codec, 7",
        None,
    ]


def test_any_damage_leaves_the_other_batches_readable() -> None:
    seed = random.randrange(10**6)
    print("seed", seed)
    choose = random.Random(seed)
    for _ in range(1_000):
        sent = [(b"k%d" % n, b'{"a": 1}' * 5) for n in range(choose.randint(1, 5))]
        damaged = batch(*sent, codec=choose.choice([0, 0, 1, 2, 3, 4]))
        for _ in range(choose.randint(1, 4)):
            damaged[choose.randrange(_HEADER_BYTES, len(damaged))] = choose.randrange(256)
        before = batch((b"k", b"before"), base=-1)
        after = batch((b"k", b"after"), base=len(sent))
        records = read(before, with_checksum(damaged), after)
        assert (records[0].value, records[-1].value) == (b"before", b"after")
        assert len(records) > 2
