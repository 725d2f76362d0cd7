"""CloudEvents 1.0 on Kafka."""

from typing import Final

import msgspec

from libs.messaging.outbox import EncodedEvent

_encode: Final = msgspec.json.Encoder(decimal_format="string").encode


def encode_event(
    event: msgspec.Struct, *, topic: str, key: bytes, id: str, source: str, time: str
) -> EncodedEvent:
    return EncodedEvent(topic=topic, key=key, value=_encode(event), id=id, source=source, time=time)
