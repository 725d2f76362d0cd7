"""The transactional outbox: events are written in the transaction whose effects they report.

One row holds all events of a batch, compressed: a row for each event would cost more than the ledger
entry that the event reports.
"""

from collections.abc import Sequence
from typing import Final

import cramjam
import msgspec
from msgspec import Struct

from libs.persistence.engine import Connection

# A lane is a part of the outbox with a relay of its own. One lane publishes more events than one
# ledger writes. With several lanes, a hash of the store would choose the lane, so that all events
# of a key stay in the same one.
LANE: Final = 0
_ZSTD_LEVEL: Final = 1

_APPEND: Final = """
INSERT INTO outbox (id, lane, payload, events) VALUES (nextval('outbox_id'), $1, $2, $3)
"""
_READ_AGE: Final = """
SELECT extract(epoch FROM now() - created_at)::float8 FROM outbox ORDER BY id LIMIT 1
"""


# The headers of a record, whatever they are.
RecordHeaders = list[tuple[str, bytes | None]]


class EncodedEvent(Struct, frozen=True, array_like=True, gc=False):
    """A CloudEvent as it will be published: the JSON `value`, and the values of its headers.

    Events of a topic with the same `key` stay in order; `time` is RFC 3339; `traceparent` is empty
    without a trace. A record that is published as it is has `headers`; the attributes are then not
    used, and it may have no key.
    """

    topic: str
    key: bytes | None
    value: bytes
    id: str
    source: str
    time: str
    traceparent: str = ""
    headers: RecordHeaders | None = None


_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(list[EncodedEvent]).decode


async def append(connection: Connection, events: Sequence[EncodedEvent]) -> None:
    """Add `events` to the outbox, in order, in the transaction of `connection`.

    The transaction must already hold the locks that order its events relative to those of
    concurrent transactions: the row's id is assigned here, and the relay publishes in id order.
    """
    if events:
        await connection.execute(_APPEND, LANE, pack(events), len(events))


async def append_payload(connection: Connection, payload: bytes, *, events: int) -> None:
    """The same for a payload of the service's own form, which its relay builds `events` events from."""
    if events:
        await connection.execute(_APPEND, LANE, payload, events)


async def read_age(connection: Connection) -> float:
    """The age in seconds of the oldest event that is not published yet, 0 if there is none."""
    age: float | None = await connection.fetchval(_READ_AGE)
    return 0.0 if age is None else age


def pack(events: Sequence[EncodedEvent]) -> bytes:
    """The payload of an outbox row."""
    return compress(_encode(events))


def unpack(payload: bytes) -> list[EncodedEvent]:
    """The events of an outbox row, in the order they were packed."""
    return _decode(decompress(payload))


def compress(content: bytes) -> bytes:
    """The content of a payload, compressed."""
    return bytes(cramjam.zstd.compress(content, level=_ZSTD_LEVEL))


def decompress(payload: bytes) -> bytes:
    """The content of a compressed payload."""
    return bytes(cramjam.zstd.decompress(payload))
