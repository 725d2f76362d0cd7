"""Reads fetches so that no bytes on a topic can stop a consumer.

aiokafka raises out of `getmany` for a header name that is not UTF-8, for a batch it cannot
decompress, and for a wrong checksum; the next poll fetches the same bytes and raises again, so that
no later record of the partition is ever consumed. It also decompresses a whole batch, whatever its
size. `install` replaces the class with which aiokafka reads a fetch: anything that cannot be read
becomes a record at its own offset with a value of type `Unreadable`, and all other records are read
as before.

The format is Kafka's record batch, version 2.
"""

import struct
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from itertools import filterfalse
from operator import lt
from typing import Any, Final, NamedTuple, Self

import cramjam
from aiokafka import TopicPartition
from aiokafka.consumer import consumer, fetcher
from aiokafka.record.default_records import DefaultRecordBatch
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.record.util import decode_varint

# The topics accept batches of 1 MiB; one that unpacks to more than this is an attack or a mistake.
MAX_UNPACKED_BYTES: Final = 32 * 1024 * 1024

_LENGTH_OFFSET: Final = 8
_PREFIX_BYTES: Final = 12
_MAGIC_OFFSET: Final = 16
_ATTRIBUTES_OFFSET: Final = 21
_HEADER_BYTES: Final = 61
_CODEC_MASK: Final = 0x07
_GZIP, _SNAPPY, _LZ4, _ZSTD = 1, 2, 3, 4
# The magic bytes of xerial's format, version 1, compatible with version 1.
_XERIAL_HEADER: Final = b"\x82SNAPPY\x00\x00\x00\x00\x01\x00\x00\x00\x01"
_LIKELY_RATIO: Final = 8
_SMALLEST_BUFFER_BYTES: Final = 65_536
# cramjam's message for a buffer that is too small, as opposed to broken bytes.
_BUFFER_FULL: Final = "failed to write whole buffer"

_UNPACK_INTO: Final[dict[int, Callable[[bytes, bytearray], int]]] = {
    _GZIP: cramjam.gzip.decompress_into,
    _LZ4: cramjam.lz4.decompress_into,
    _ZSTD: cramjam.zstd.decompress_into,
}


# How long a fetch without the partitions that have unread records waits for records of the others.
_SHORT_WAIT_MS: Final = 50


# Whether the record with this key is skipped; set by `skip_keys`.
_is_skipped: ContextVar[Callable[[bytes | None], bool] | None] = ContextVar(
    "is_skipped", default=None
)


class Unreadable(bytes):
    """The bytes of a record, or of a whole batch, that could not be read; `reason` says why."""

    reason: str

    def __new__(cls, raw: bytes, reason: str) -> Self:
        unreadable = super().__new__(cls, raw)
        unreadable.reason = reason
        return unreadable


class _BrokenBatch(Exception):
    """A batch of which no record can be read."""


class _Record(NamedTuple):
    """The fields of a record that aiokafka uses."""

    offset: int
    timestamp: int
    timestamp_type: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]]
    checksum: None = None


def install() -> None:
    """Make every consumer of this process fetch with `Fetcher`, read its fetches with `FetchedRecords`, and
    hold them as `FetchResult`."""
    fetcher.MemoryRecords = FetchedRecords
    fetcher.FetchResult = FetchResult
    consumer.Fetcher = Fetcher


def skip_keys(is_skipped: Callable[[bytes | None], bool]) -> None:
    """Skip the records with such keys in every consumer that the current task polls. To skip a
    record costs a fifth of the time that it takes to return one."""
    _is_skipped.set(is_skipped)


class Fetcher(fetcher.Fetcher):  # type: ignore[misc]  # aiokafka has no types
    """Fetches from each broker, one request at a time.

    A partition with records that are not read yet is left out of a fetch, and its next records are fetched only
    once that one has ended. Where the other partitions have none, it would be idle for the whole wait.
    """

    @property
    def _fetch_max_wait_ms(self) -> int:
        return min(self._wait_ms, _SHORT_WAIT_MS) if self._records else self._wait_ms

    @_fetch_max_wait_ms.setter
    def _fetch_max_wait_ms(self, wait_ms: int) -> None:
        self._wait_ms = wait_ms


class FetchResult(fetcher.FetchResult):  # type: ignore[misc]  # aiokafka has no types
    """What was fetched of a partition and not consumed yet. It is dropped when the partition is paused, or
    consumed from another offset.

    aiokafka drops it as a cycle of a few objects that hold up to a megabyte. The garbage collector counts
    objects, not bytes, and would find the cycle much later.
    """

    def check_assignment(self, tp: TopicPartition) -> bool:
        """Whether the records are still the next ones of the partition; if not, they are dropped."""
        dropped = self._partition_records
        if super().check_assignment(tp):
            return True
        if dropped is not None:
            dropped._records_iterator = None  # noqa: SLF001  the iterator refers to its owner
        return False


class FetchedRecords:
    """The batches of one partition in a fetch; replaces aiokafka's MemoryRecords."""

    def __init__(self, data: bytes) -> None:
        self._data = memoryview(data)
        self._position = 0

    def size_in_bytes(self) -> int:
        return len(self._data)

    def has_next(self) -> bool:
        """Whether another complete batch follows; the last batch of a fetch may be cut off."""
        return self._next_end() is not None

    def next_batch(self) -> Any:
        """The next batch, or None if no complete one is left."""
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
    """A batch that is read by aiokafka or, if that fails, from its bytes."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._batch = DefaultRecordBatch(data)
        self.base_offset: int = self._batch.base_offset
        self.next_offset: int = self._batch.next_offset
        self.producer_id: int = self._batch.producer_id
        self.is_transactional: bool = self._batch.is_transactional
        self.is_control_batch: bool = self._batch.is_control_batch

    def validate_crc(self) -> bool:
        """Always true: the checksum is checked during reading, since aiokafka would raise here."""
        return True

    def __iter__(self) -> Iterator[Any]:
        is_skipped = _is_skipped.get()
        if is_skipped is None:
            return self._records()
        return filterfalse(lambda record: is_skipped(record.key), self._records())

    def _records(self) -> Iterator[Any]:
        try:
            uncompressed = self._decompress()
        except _BrokenBatch as error:
            return iter([self._unreadable(self.base_offset, self._data, str(error))])
        try:
            records = list(DefaultRecordBatch(uncompressed))
        except Exception:  # noqa: BLE001  whatever it is, each record is read by itself
            return self._read_each(uncompressed)
        return iter(records) if self._are_in_order(records) else self._read_each(uncompressed)

    def _are_in_order(self, records: Sequence[Any]) -> bool:
        """Whether the offsets increase, within the range of the batch. aiokafka reads a record's
        unused attributes as a varint, so that hostile attributes shift the other fields. With an
        offset that is too high, the consumer would continue there and skip the records before it.
        """
        offsets = [record.offset for record in records]
        return all(map(lt, [self.base_offset - 1, *offsets], [*offsets, self.next_offset]))

    def _decompress(self) -> bytes:
        """The bytes of the batch without compression; raises _BrokenBatch."""
        if not self._batch.validate_crc():
            raise _BrokenBatch("the checksum of the batch is wrong")
        codec = self._data[_ATTRIBUTES_OFFSET + 1] & _CODEC_MASK
        if codec == 0:
            return self._data
        header = bytearray(self._data[:_HEADER_BYTES])
        header[_ATTRIBUTES_OFFSET + 1] &= ~_CODEC_MASK
        return bytes(header) + _unpack(codec, self._data[_HEADER_BYTES:])

    def _read_each(self, uncompressed: bytes) -> Iterator[_Record]:
        position, expected = _HEADER_BYTES, self.base_offset
        while position < len(uncompressed):
            try:
                start, end = _frame(uncompressed, position)
            except (ValueError, IndexError) as error:
                # Without a valid length, the start of the next record is unknown.
                yield self._unreadable(expected, uncompressed[position:], f"not a record: {error}")
                return
            record = self._read_one(uncompressed[start:end], expected)
            if not expected <= record.offset < self.next_offset:
                record = self._unreadable(
                    expected, uncompressed[start:end], "its offset is out of order"
                )
            position, expected = end, record.offset + 1
            yield record

    def _read_one(self, body: bytes, expected: int) -> _Record:
        """Read the bytes of one record, without its length."""
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


def _frame(uncompressed: bytes, position: int) -> tuple[int, int]:
    """The start and end of the fields of the record at `position`, after its length; raises
    ValueError or IndexError if there is no record."""
    length, size = decode_varint(bytearray(uncompressed[position : position + 10]))
    start = position + int(size)
    end = start + int(length)
    if not start < end <= len(uncompressed):
        raise ValueError(f"a record of {length} bytes")
    return start, end


class _Fields:
    """Reads the fields of a record in order; raises ValueError or IndexError if one is broken."""

    def __init__(self, body: bytes) -> None:
        self._body = bytearray(body)
        self._position = 0

    def skip(self, count: int) -> None:
        self._position += count

    def varint(self) -> int:
        number, self._position = decode_varint(self._body, self._position)
        return int(number)

    def block(self) -> bytes | None:
        """Bytes that are preceded by their length, or None if the length is negative."""
        length = self.varint()
        if length < 0:
            return None
        end = self._position + length
        if end > len(self._body):
            raise ValueError(f"a field of {length} bytes")
        content = bytes(self._body[self._position : end])
        self._position = end
        return content

    def expect_end(self) -> None:
        surplus = len(self._body) - self._position
        if surplus:
            raise ValueError(f"{surplus} bytes after the last field")


def _unpack(codec: int, packed: bytes) -> bytes:
    """Decompress to at most MAX_UNPACKED_BYTES; raises _BrokenBatch if the result is larger or the
    bytes are not valid for the codec."""
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
    """Decompress into a buffer of a likely size, then into larger ones if it is too small."""
    capacity = min(max(len(packed) * _LIKELY_RATIO, _SMALLEST_BUFFER_BYTES), MAX_UNPACKED_BYTES)
    while True:
        buffer = bytearray(capacity)
        try:
            size = into(packed, buffer)
        except cramjam.DecompressionError as error:
            if capacity == MAX_UNPACKED_BYTES or _BUFFER_FULL not in str(error):
                raise
            capacity = min(capacity * 8, MAX_UNPACKED_BYTES)
        else:
            return bytes(memoryview(buffer)[:size])


def _unpack_snappy(packed: bytes) -> bytes:
    """Decompress snappy, either a bare block or the blocks in xerial's format that Kafka's clients
    write. A block states its decompressed length, so that it is checked first."""
    if not packed.startswith(_XERIAL_HEADER):
        return _unpack_snappy_block(packed, MAX_UNPACKED_BYTES)
    blocks: list[bytes] = []
    capacity, position = MAX_UNPACKED_BYTES, len(_XERIAL_HEADER)
    while position < len(packed):
        (length,) = struct.unpack_from(">i", packed, position)
        position += 4
        if not 0 < length <= len(packed) - position:
            raise ValueError(f"a block of {length} bytes")
        blocks.append(_unpack_snappy_block(packed[position : position + length], capacity))
        capacity -= len(blocks[-1])
        position += length
    return b"".join(blocks)


def _unpack_snappy_block(block: bytes, capacity: int) -> bytes:
    if cramjam.snappy.decompress_raw_len(block) > capacity:
        raise ValueError("the blocks decompress to too many bytes")
    return bytes(cramjam.snappy.decompress_raw(block))
