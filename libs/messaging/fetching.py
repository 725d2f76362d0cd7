"""Reading what a fetch returned so that no bytes on a topic can stop a consumer.

aiokafka raises out of `getmany` for a header name that is not UTF-8, for a batch it cannot
decompress, and for one whose checksum is wrong; the next poll fetches the same bytes and raises
again, so everything behind them waits forever. It also decompresses a batch whole, whatever size
that makes. `install` replaces the one class that aiokafka reads a fetch with: what cannot be read
becomes a record whose value is `Unreadable`, at its own offset, and the rest is read as before.

The format is Kafka's record batch, version 2.
"""

import struct
from collections.abc import Callable, Iterator, Sequence
from operator import lt
from typing import Any, Final, NamedTuple, Self

import cramjam
from aiokafka.consumer import fetcher
from aiokafka.record.default_records import DefaultRecordBatch
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.record.util import decode_varint

# The topics take batches of 1 MiB; one that unpacks to more than this is an attack or a mistake.
MAX_UNPACKED_BYTES: Final = 32 * 1024 * 1024

_LENGTH_OFFSET: Final = 8
_PREFIX_BYTES: Final = 12
_MAGIC_OFFSET: Final = 16
_ATTRIBUTES_OFFSET: Final = 21
_HEADER_BYTES: Final = 61
_CODEC_MASK: Final = 0x07
_GZIP, _SNAPPY, _LZ4, _ZSTD = 1, 2, 3, 4
# Its name, version 1, compatible with version 1.
_XERIAL_HEADER: Final = b"\x82SNAPPY\x00\x00\x00\x00\x01\x00\x00\x00\x01"
_LIKELY_RATIO: Final = 8
_SMALLEST_BUFFER_BYTES: Final = 65_536
# How cramjam says that the buffer was too small, and not that the bytes are broken.
_BUFFER_FULL: Final = "failed to write whole buffer"

_UNPACK_INTO: Final[dict[int, Callable[[bytes, bytearray], int]]] = {
    _GZIP: cramjam.gzip.decompress_into,
    _LZ4: cramjam.lz4.decompress_into,
    _ZSTD: cramjam.zstd.decompress_into,
}


class Unreadable(bytes):
    """The bytes of a record, or of a whole batch, that could not be read as one; `reason` says why."""

    reason: str

    def __new__(cls, raw: bytes, reason: str) -> Self:
        """Bytes with the reason beside them."""
        made = super().__new__(cls, raw)
        made.reason = reason
        return made


class _BrokenBatch(Exception):
    """No record of the batch can be read."""


class _Record(NamedTuple):
    """What aiokafka takes from a record."""

    offset: int
    timestamp: int
    timestamp_type: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]]
    checksum: None = None


def install() -> None:
    """Have every consumer of this process read its fetches with `FetchedRecords`."""
    fetcher.MemoryRecords = FetchedRecords


class FetchedRecords:
    """The batches in one partition's part of a fetch; stands in for aiokafka's MemoryRecords."""

    def __init__(self, data: bytes) -> None:
        self._data = memoryview(data)
        self._position = 0

    def size_in_bytes(self) -> int:
        return len(self._data)

    def has_next(self) -> bool:
        """Whether another whole batch follows; the last one of a fetch may be cut off."""
        return self._next_end() is not None

    def next_batch(self) -> Any:
        """The next batch, or None where no whole one is left."""
        end = self._next_end()
        if end is None:
            return None
        data = bytes(self._data[self._position : end])
        self._position = end
        if data[_MAGIC_OFFSET] < 2:
            return MemoryRecords(data).next_batch()
        return _Batch(data)

    def _next_end(self) -> int | None:
        start = self._position
        if len(self._data) - start < _HEADER_BYTES:
            return None
        (length,) = struct.unpack_from(">i", self._data, start + _LENGTH_OFFSET)
        end = start + _PREFIX_BYTES + int(length)
        return end if start + _HEADER_BYTES <= end <= len(self._data) else None


class _Batch:
    """One batch: aiokafka's own, and the bytes to fall back on."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._batch = DefaultRecordBatch(data)
        self.base_offset: int = self._batch.base_offset
        self.next_offset: int = self._batch.next_offset
        self.producer_id: int = self._batch.producer_id
        self.is_transactional: bool = self._batch.is_transactional
        self.is_control_batch: bool = self._batch.is_control_batch

    def validate_crc(self) -> bool:
        """A wrong checksum is found while reading: raising here would repeat forever."""
        return True

    def __iter__(self) -> Iterator[Any]:
        try:
            plain = self._unpacked()
        except _BrokenBatch as error:
            return iter([self._unreadable(self.base_offset, self._data, str(error))])
        try:
            records = list(DefaultRecordBatch(plain))
        except Exception:  # noqa: BLE001  whatever it is, the records are read one by one
            return self._read_each(plain)
        return iter(records) if self._are_in_order(records) else self._read_each(plain)

    def _are_in_order(self, records: Sequence[Any]) -> bool:
        """Whether the offsets rise within the batch's own. The client reads a record's unused
        attributes as a varint, so that hostile ones shift its other fields: with an offset that is
        too high, the consumer would continue there and skip the records in between."""
        offsets = [record.offset for record in records]
        return all(map(lt, [self.base_offset - 1, *offsets], [*offsets, self.next_offset]))

    def _unpacked(self) -> bytes:
        """The batch without compression; raises _BrokenBatch."""
        if not self._batch.validate_crc():
            raise _BrokenBatch("the checksum of the batch is wrong")
        codec = self._data[_ATTRIBUTES_OFFSET + 1] & _CODEC_MASK
        if codec == 0:
            return self._data
        header = bytearray(self._data[:_HEADER_BYTES])
        header[_ATTRIBUTES_OFFSET + 1] &= ~_CODEC_MASK
        return bytes(header) + _unpack(codec, self._data[_HEADER_BYTES:])

    def _read_each(self, plain: bytes) -> Iterator[_Record]:
        position, expected = _HEADER_BYTES, self.base_offset
        while position < len(plain):
            try:
                start, end = _frame(plain, position)
            except (ValueError, IndexError) as error:
                # Where the next record begins is not known either.
                yield self._unreadable(expected, plain[position:], f"not a record: {error}")
                return
            record = self._read_one(plain[start:end], expected)
            if not expected <= record.offset < self.next_offset:
                record = self._unreadable(expected, plain[start:end], "its offset is out of order")
            position, expected = end, record.offset + 1
            yield record

    def _read_one(self, body: bytes, expected: int) -> _Record:
        """A record between its length and the next record."""
        try:
            fields = _Fields(body)
            fields.skip(1)
            timestamp = self._batch.first_timestamp + fields.varint()
            offset = self.base_offset + fields.varint()
            key, value = fields.block(), fields.block()
            raw = [(fields.block() or b"", fields.block()) for _ in range(fields.varint())]
            fields.expect_end()
        except (ValueError, IndexError) as error:
            return self._unreadable(expected, body, f"not a record: {error}")
        if not all(_is_utf8(name) for name, _ in raw):
            value = Unreadable(value or b"", "the name of a header is not UTF-8")
        headers = [(name.decode(errors="backslashreplace"), content) for name, content in raw]
        return _Record(offset, timestamp, self._batch.timestamp_type, key, value, headers)

    def _unreadable(self, offset: int, raw: bytes, reason: str) -> _Record:
        value = Unreadable(raw, reason)
        return _Record(
            offset, self._batch.max_timestamp, self._batch.timestamp_type, None, value, []
        )


def _is_utf8(name: bytes) -> bool:
    try:
        name.decode()
    except UnicodeDecodeError:
        return False
    return True


def _frame(plain: bytes, position: int) -> tuple[int, int]:
    """Where the record that begins at `position` has its fields, after its own length; raises
    ValueError or IndexError where there is none."""
    length, size = decode_varint(bytearray(plain[position : position + 10]))
    start = position + int(size)
    end = start + int(length)
    if not start < end <= len(plain):
        raise ValueError(f"a record of {length} bytes")
    return start, end


class _Fields:
    """Takes the fields of a record one by one; raises ValueError or IndexError where they break."""

    def __init__(self, body: bytes) -> None:
        self._body = bytearray(body)
        self._position = 0

    def skip(self, count: int) -> None:
        self._position += count

    def varint(self) -> int:
        number, self._position = decode_varint(self._body, self._position)
        return int(number)

    def block(self) -> bytes | None:
        """Bytes behind their length, or None where the length is negative."""
        length = self.varint()
        if length < 0:
            return None
        end = self._position + length
        if end > len(self._body):
            raise ValueError(f"a field of {length} bytes")
        taken = bytes(self._body[self._position : end])
        self._position = end
        return taken

    def expect_end(self) -> None:
        left = len(self._body) - self._position
        if left:
            raise ValueError(f"{left} bytes left over")


def _unpack(codec: int, packed: bytes) -> bytes:
    """Decompress to at most MAX_UNPACKED_BYTES; raises _BrokenBatch where there is more, or the
    bytes are not of the codec."""
    try:
        if codec == _SNAPPY:
            return _unpack_snappy(packed)
        into = _UNPACK_INTO.get(codec)
        if into is None:
            raise _BrokenBatch(f"the batch is compressed with an unknown codec, {codec}")
        return _unpack_growing(into, packed)
    except (cramjam.DecompressionError, ValueError, struct.error) as error:
        raise _BrokenBatch(
            f"the batch cannot be decompressed to at most {MAX_UNPACKED_BYTES:,} bytes: {error}"
        ) from error


def _unpack_growing(into: Callable[[bytes, bytearray], int], packed: bytes) -> bytes:
    """Decompress into a buffer of a likely size, and into larger ones where that is too small."""
    room = min(max(len(packed) * _LIKELY_RATIO, _SMALLEST_BUFFER_BYTES), MAX_UNPACKED_BYTES)
    while True:
        buffer = bytearray(room)
        try:
            size = into(packed, buffer)
        except cramjam.DecompressionError as error:
            if room == MAX_UNPACKED_BYTES or _BUFFER_FULL not in str(error):
                raise
            room = min(room * 8, MAX_UNPACKED_BYTES)
        else:
            return bytes(memoryview(buffer)[:size])


def _unpack_snappy(packed: bytes) -> bytes:
    """Snappy blocks say how long they are; Kafka's clients wrap them as xerial's library does."""
    if not packed.startswith(_XERIAL_HEADER):
        return _unpack_snappy_block(packed, MAX_UNPACKED_BYTES)
    blocks: list[bytes] = []
    room, position = MAX_UNPACKED_BYTES, len(_XERIAL_HEADER)
    while position < len(packed):
        (length,) = struct.unpack_from(">i", packed, position)
        position += 4
        if not 0 < length <= len(packed) - position:
            raise ValueError(f"a block of {length} bytes")
        blocks.append(_unpack_snappy_block(packed[position : position + length], room))
        room -= len(blocks[-1])
        position += length
    return b"".join(blocks)


def _unpack_snappy_block(block: bytes, room: int) -> bytes:
    if cramjam.snappy.decompress_raw_len(block) > room:
        raise ValueError("the blocks are too long")
    return bytes(cramjam.snappy.decompress_raw(block))
