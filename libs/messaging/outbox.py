"""The transactional outbox: events are written in the transaction whose effects they report.

One row holds all events of a batch, compressed: a row for each event would cost more than the ledger
entry that the event reports.
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

from libs.persistence.engine import Connection

# One lane, with one relay, publishes more than one ledger writes. More lanes would each take the
# stores of one hash, so that a key's events stay in one lane.
LANE: Final = 0
_ZSTD_LEVEL: Final = 1

_APPEND: Final = """
INSERT INTO outbox (id, lane, payload, events) VALUES (nextval('outbox_id'), $1, $2, $3)
"""


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


async def append(connection: Connection, events: Sequence[EncodedEvent]) -> None:
    """Add `events` to the outbox, in order, in the transaction of `connection`.

    The transaction must hold the locks that order its events among those of concurrent ones: the
    row's id is drawn here, and the relay publishes in the order of ids.
    """
    if events:
        await connection.execute(_APPEND, LANE, pack(events), len(events))


def pack(events: Sequence[EncodedEvent]) -> bytes:
    """The payload of an outbox row."""
    return bytes(cramjam.zstd.compress(_encode(events), level=_ZSTD_LEVEL))


def unpack(payload: bytes) -> list[EncodedEvent]:
    """The events of an outbox row, in the order they were packed."""
    return _decode(bytes(cramjam.zstd.decompress(payload)))


def outbox_table(metadata: MetaData) -> Table:
    """The table that each publishing service has. `id` is drawn after the transaction's locks, so
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
