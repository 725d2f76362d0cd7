"""The transactional outbox: events written in the transaction of what they tell of.

One row holds all events of a batch and lane, compressed: a row an event would cost more than the
ledger entry it tells of.
"""

from collections.abc import Sequence
from typing import Final

import cramjam
import msgspec
from msgspec import Struct
from sqlalchemy import (
    TIMESTAMP,
    BigInteger,
    Column,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    func,
)

_ZSTD_LEVEL: Final = 1


class EncodedEvent(Struct, frozen=True, array_like=True, gc=False):
    """A CloudEvent as it will be published: the JSON `value`, and what its headers say.

    `key` orders it among others of its topic; `time` is RFC 3339; `traceparent` is empty where
    there is no trace.
    """

    topic: str
    key: bytes
    value: bytes
    id: str
    source: str
    time: str
    traceparent: str = ""


_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(list[EncodedEvent]).decode


def pack(events: Sequence[EncodedEvent]) -> bytes:
    """The payload of an outbox row."""
    return bytes(cramjam.zstd.compress(_encode(events), level=_ZSTD_LEVEL))


def unpack(payload: bytes) -> list[EncodedEvent]:
    """The events of an outbox row, in the order they were packed."""
    return _decode(bytes(cramjam.zstd.decompress(payload)))


def outbox_table(metadata: MetaData) -> Table:
    """The table each publishing service has. `id` is drawn after the locks of the transaction, so
    that for each key the order of ids is the order of commits."""
    return Table(
        "outbox",
        metadata,
        Column("id", BigInteger, primary_key=True, autoincrement=False),
        Column("lane", SmallInteger, nullable=False),
        Column("payload", LargeBinary, nullable=False),
        Column("events", Integer, nullable=False),
        Column("created_at", TIMESTAMP(timezone=True), nullable=False, server_default=func.now()),
    )
