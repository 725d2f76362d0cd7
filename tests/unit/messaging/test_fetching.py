"""Whatever bytes a fetch returns, every record of it comes out: read, or unreadable at its place."""

import random
import struct
from typing import Any

import pytest
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.util import calc_crc32c

from libs.messaging.fetching import MAX_UNPACKED_BYTES, FetchedRecords, Unreadable
from tests.chaos.records import SHIFTED, Record, encode_batch

CODECS = pytest.mark.parametrize("codec", range(5), ids=["plain", "gzip", "snappy", "lz4", "zstd"])
_CRC = slice(17, 21)
_HEADER_BYTES = 61


def batch(*records: tuple[bytes | None, bytes | None], codec: int = 0, base: int = 0) -> bytearray:
    """A batch as a broker returns it, with a header on each record."""
    builder = DefaultRecordBatchBuilder(2, codec, 0, -1, -1, -1, 1 << 30)
    for number, (key, value) in enumerate(records):
        builder.append(number, 1_000 + number, key, value, [("name", b"x")])
    made = bytearray(builder.build())
    made[:8] = struct.pack(">q", base)
    return made


def with_checksum(data: bytearray) -> bytes:
    """The batch after a change of its content, with the checksum that a broker has checked."""
    data[_CRC] = struct.pack(">I", calc_crc32c(bytes(data[21:])))
    return bytes(data)


def read(*batches: bytes | bytearray) -> list[Any]:
    fetched = FetchedRecords(b"".join(bytes(one) for one in batches))
    found: list[Any] = []
    while fetched.has_next():
        found += fetched.next_batch()
    return found


@CODECS
def test_whole_batches_are_read_and_a_cut_one_is_left_for_the_next_fetch(codec: int) -> None:
    first = batch((b"k", b"one"), (None, b"two"), codec=codec)
    second = batch((b"k", None), codec=codec, base=2)
    found = read(first, second, batch((b"k", b"cut"))[:-1])
    assert [(one.offset, one.key, one.value) for one in found] == [
        (0, b"k", b"one"),
        (1, None, b"two"),
        (2, b"k", None),
    ]
    assert list(found[0].headers) == [("name", b"x")]


def test_a_header_name_that_is_not_utf_8_spoils_its_own_record_alone() -> None:
    made = batch((b"a", b"1"), (b"b", b"2"), (b"c", b"3"))
    place = made.index(b"name", made.index(b"name") + 1)
    made[place] = 0xFF
    found = read(with_checksum(made))
    assert [(one.offset, one.key, one.value) for one in found] == [
        (0, b"a", b"1"),
        (1, b"b", b"2"),
        (2, b"c", b"3"),
    ]
    assert [isinstance(one.value, Unreadable) for one in found] == [False, True, False]
    assert found[1].value.reason == "the name of a header is not UTF-8"
    assert found[1].headers == [("\\xffame", b"x")]


def test_attributes_that_shift_the_offset_hide_no_record() -> None:
    """The client would read an offset of 27 for it, and skip the records up to there."""
    good = [Record(key=b"k", value=b"%d" % number) for number in range(4)]
    found = read(encode_batch([*good[:2], SHIFTED, *good[2:]]))
    assert [one.offset for one in found] == list(range(5))
    assert [one.value for one in found if one.offset != 2] == [b"0", b"1", b"2", b"3"]


@pytest.mark.parametrize("number", [-1, 0, 4, 2**40])
def test_an_offset_that_is_out_of_order_spoils_its_own_record_alone(number: int) -> None:
    """The third record of four says that it has another's offset."""
    records = [Record(key=b"k", value=b"%d" % index, timestamp=1_000) for index in range(4)]
    found = read(encode_batch(records, offsets=[0, 1, number, 3]))
    assert [one.offset for one in found] == [0, 1, 2, 3]
    assert [isinstance(one.value, Unreadable) for one in found] == [False, False, True, False]
    assert found[2].value.reason == "its offset is out of order"


@pytest.mark.parametrize("codec", [1, 2, 3, 4], ids=["gzip", "snappy", "lz4", "zstd"])
def test_a_batch_that_unpacks_to_too_much_is_one_unreadable_record(codec: int) -> None:
    bomb = batch((b"k", b"\0" * (MAX_UNPACKED_BYTES + 1)), codec=codec, base=5)
    found = read(bomb, batch((b"k", b"next"), base=6))
    assert [one.offset for one in found] == [5, 6]
    assert isinstance(found[0].value, Unreadable)
    assert "cannot be decompressed" in found[0].value.reason
    assert bytes(found[0].value) == bytes(bomb)
    assert found[1].value == b"next"


@pytest.mark.parametrize("codec", [1, 2, 3, 4], ids=["gzip", "snappy", "lz4", "zstd"])
def test_a_batch_close_to_the_bound_is_read(codec: int) -> None:
    (record,) = read(batch((b"k", b"\0" * (MAX_UNPACKED_BYTES - 1_000)), codec=codec))
    assert len(record.value) == MAX_UNPACKED_BYTES - 1_000


def test_a_wrong_checksum_and_an_unknown_codec_are_unreadable() -> None:
    wrong = batch((b"k", b"one"))
    wrong[-1] ^= 1
    unknown = batch((b"k", b"two"), base=1)
    unknown[22] |= 7
    found = read(wrong, with_checksum(unknown), batch((b"k", b"three"), base=2))
    assert [getattr(one.value, "reason", None) for one in found] == [
        "the checksum of the batch is wrong",
        "the batch is compressed with an unknown codec, 7",
        None,
    ]


def test_any_damage_leaves_the_other_batches_readable() -> None:
    seed = random.randrange(10**6)
    print("seed", seed)
    choose = random.Random(seed)
    for _ in range(1_000):
        records = [(b"k%d" % n, b'{"a": 1}' * 5) for n in range(choose.randint(1, 5))]
        damaged = batch(*records, codec=choose.choice([0, 0, 1, 2, 3, 4]))
        for _ in range(choose.randint(1, 4)):
            damaged[choose.randrange(_HEADER_BYTES, len(damaged))] = choose.randrange(256)
        before = batch((b"k", b"before"), base=-1)
        after = batch((b"k", b"after"), base=len(records))
        found = read(before, with_checksum(damaged), after)
        assert (found[0].value, found[-1].value) == (b"before", b"after")
        assert len(found) > 2
