"""Encodes Kafka record batches (message format 2) and produces them as they are.

Client libraries refuse null headers, header names that are not UTF-8 and broken compression. A
broker accepts them from any producer, so these tests write the bytes themselves.
"""

import gzip
import struct
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Self

import cramjam
from aiokafka.client import AIOKafkaClient
from aiokafka.codec import gzip_encode, lz4_encode, snappy_encode, zstd_encode
from aiokafka.errors import for_code
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.record.util import calc_crc32c, encode_varint
from aiokafka.structs import TopicPartition
from msgspec import Struct

Headers = tuple[tuple[bytes, bytes | None], ...]
Compress = Callable[[bytes], bytes]

# Base offset, length, leader epoch, magic and CRC of a batch; then the fields that the CRC covers.
_PREFIX: Final = struct.Struct(">qiibI")
_COVERED: Final = struct.Struct(">hiqqqhii")
_MAGIC: Final = 2
_NO_PRODUCER: Final = (-1, -1, -1)
_LENGTH_FROM: Final = 12
_INT64: Final = 2**64

# The codec's bits in the attributes of a batch.
CODECS: Final[Mapping[str, int]] = {"none": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}
_COMPRESS: Final[Mapping[str, Compress]] = {
    "none": bytes,
    "gzip": lambda data: gzip_encode(data, 1),
    "snappy": snappy_encode,
    "lz4": lz4_encode,
    "zstd": zstd_encode,
}


class Record(Struct, frozen=True, kw_only=True):
    """A record of the log; `timestamp` is in milliseconds, None is now. `attributes` are the record's
    own eight bits, which the protocol leaves unused."""

    value: bytes | None
    key: bytes | None = None
    headers: Headers = ()
    timestamp: int | None = None
    attributes: int = 0


class Place(Struct, frozen=True, order=True):
    """A record's topic, partition and offset."""

    topic: str
    partition: int
    offset: int


# Its attributes end only with the next byte, for a client that reads them as a varint: such a client
# takes the key's length for the offset, and what follows for a value of 26 bytes.
SHIFTED: Final = Record(key=b"\x01\x34" + b"x" * 25, value=None, attributes=0x80)


def encode_batch(
    records: Sequence[Record],
    *,
    codec: str = "none",
    compress: Compress | None = None,
    offsets: Sequence[int] | None = None,
) -> bytes:
    """A record batch. `compress` replaces the codec's own compression, and `offsets` the records'
    places in the batch, so that they can be wrong."""
    now = int(time.time() * 1000)
    times = [now if record.timestamp is None else record.timestamp for record in records]
    body = b"".join(
        _encode_record(record, offset=offset, delta=at - times[0])
        for offset, record, at in zip(offsets or range(len(records)), records, times, strict=True)
    )
    covered = _COVERED.pack(
        CODECS[codec], len(records) - 1, times[0], max(times), *_NO_PRODUCER, len(records)
    ) + (compress or _COMPRESS[codec])(body)
    length = _PREFIX.size - _LENGTH_FROM + len(covered)
    return _PREFIX.pack(0, length, -1, _MAGIC, calc_crc32c(covered)) + covered


def _encode_record(record: Record, *, offset: int, delta: int) -> bytes:
    body = bytearray([record.attributes])
    encode_varint(_as_int64(delta), body.append)
    encode_varint(offset, body.append)
    _put(body, record.key)
    _put(body, record.value)
    encode_varint(len(record.headers), body.append)
    for name, value in record.headers:
        _put(body, name)
        _put(body, value)
    length = bytearray()
    encode_varint(len(body), length.append)
    return bytes(length + body)


def _put(body: bytearray, data: bytes | None) -> None:
    encode_varint(-1 if data is None else len(data), body.append)
    body.extend(data or b"")


def _as_int64(number: int) -> int:
    """The difference of two extreme times, wrapped around as in the broker."""
    return (number + _INT64 // 2) % _INT64 - _INT64 // 2


def filled_record(batch_bytes: int, *, key: bytes | None = None) -> Record:
    """A record of garbage whose own uncompressed batch has exactly that size."""
    value = b""
    for _ in range(16):
        record = Record(key=key, value=value)
        missing = batch_bytes - len(encode_batch([record]))
        if missing == 0:
            return record
        value = b"x" * (len(value) + missing)
    raise AssertionError(f"no value fills a batch of {batch_bytes} bytes")


def gzip_with_garbage_behind(data: bytes) -> bytes:
    """A stream that Java's decompression accepts and Python's refuses."""
    return gzip.compress(data, 1) + b"garbage behind the end"


def lz4_with_wrong_checksum(data: bytes) -> bytes:
    """A frame with a wrong content checksum, which the broker does not verify."""
    compressor = cramjam.lz4.Compressor(level=1, content_checksum=True, block_linked=False)
    compressor.compress(data)
    frame = bytes(compressor.finish())
    return frame[:-4] + bytes(byte ^ 0xFF for byte in frame[-4:])


def snappy_of_another_version(data: bytes) -> bytes:
    """A stream of a version that the broker accepts and the client does not know."""
    stream = bytearray(snappy_encode(data))
    stream[11] = 2
    return bytes(stream)


class RawProducer:
    """Sends batches to a partition without looking at them."""

    def __init__(self, bootstrap: str) -> None:
        self._client = AIOKafkaClient(bootstrap_servers=bootstrap)

    async def __aenter__(self) -> Self:
        await self._client.bootstrap()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.close()

    async def send(self, topic: str, partition: int, batch: bytes) -> Place:
        """The place of the batch's first record; raises the broker's error when it refuses the batch."""
        cluster = self._client.cluster
        if cluster.partitions_for_topic(topic) is None:
            await self._client.add_topic(topic)
        leader = cluster.leader_for_partition(TopicPartition(topic, partition))
        request = ProduceRequest(None, -1, 30_000, [(topic, [(partition, batch)])])
        response = await self._client.send(leader, request)
        ((_, ((_, code, offset, *_rest),)),) = response.topics
        if code:
            raise for_code(code)(f"{topic}:{partition} refused a batch of {len(batch)} bytes")
        return Place(topic, partition, offset)
