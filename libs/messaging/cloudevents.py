"""CloudEvents 1.0 on Kafka: binary mode out; binary, structured and bare JSON in."""

import re
from typing import Any, Final, Generic, Literal, TypeVar

import msgspec
from msgspec import Raw, Struct

from libs.messaging.outbox import EncodedEvent

E = TypeVar("E")
D = TypeVar("D")

PoisonCode = Literal["malformed", "invalid", "conflict", "unsupported_version", "defect"]

Headers = list[tuple[str, bytes]]

_SPEC_VERSION: Final = b"1.0"
_SCHEMA_ROOT: Final = "/events"
_JSON: Final = b"application/json"
_STRUCTURED: Final = b"application/cloudevents+json"
_MAJOR: Final = re.compile(r"/v([0-9]+)$")

_encode: Final = msgspec.json.Encoder(decimal_format="string").encode


class Poison(Exception):
    """A record that can never be processed: `code` is a dead letter's, `detail` says what is wrong."""

    def __init__(self, code: PoisonCode, detail: str) -> None:
        super().__init__(detail)
        self.code: PoisonCode = code
        self.detail = detail


class _Envelope(Struct):
    """A CloudEvent in structured mode."""

    type: str
    data: Raw
    dataschema: str | None = None


_envelope: Final = msgspec.json.Decoder(_Envelope)


def encode_event(
    event: Struct, *, topic: str, key: bytes, event_id: str, source: str, time: str
) -> EncodedEvent:
    """An event ready for the outbox; `time` is RFC 3339."""
    return EncodedEvent(
        topic=topic, key=key, value=_encode(event), id=event_id, source=source, time=time
    )


def headers_of(event: EncodedEvent) -> Headers:
    """The headers of binary mode; the event's type is its topic."""
    headers = [
        ("ce_specversion", _SPEC_VERSION),
        ("ce_id", event.id.encode()),
        ("ce_type", event.topic.encode()),
        ("ce_source", event.source.encode()),
        ("ce_time", event.time.encode()),
        ("ce_dataschema", f"{_SCHEMA_ROOT}/{event.topic}/v1".encode()),
        ("content-type", _JSON),
    ]
    if event.traceparent:
        headers.append(("traceparent", event.traceparent.encode()))
    return headers


class EventReader(Generic[E]):
    """Reads the records of `topics` as events of one type; an event's type is its topic."""

    def __init__(self, *topics: str, kind: type[E]) -> None:
        self._topics = frozenset(topics)
        self._decoder = msgspec.json.Decoder(kind)

    def read(self, record: Any) -> E:
        """The event in `record`; raises Poison where it is none, or of a version we do not know."""
        value = record.value
        if value is None:
            raise Poison("malformed", "the record has no value")
        headers: dict[str, bytes] = dict(record.headers) if record.headers else {}
        if headers.get("content-type", b"").startswith(_STRUCTURED):
            envelope = self._decode(_envelope, value)
            self._check(envelope.type, envelope.dataschema)
            return self._decode(self._decoder, envelope.data)
        if "ce_type" in headers:
            self._check(_text(headers, "ce_type"), _text(headers, "ce_dataschema"))
        return self._decode(self._decoder, value)

    def _check(self, event_type: str | None, schema: str | None) -> None:
        if event_type not in self._topics:
            wanted = " or ".join(sorted(self._topics))
            raise Poison("malformed", f"the event's type is {event_type}, not {wanted}")
        if schema is None:
            return
        major = _MAJOR.search(schema)
        if major is None or major[1] != "1":
            raise Poison("unsupported_version", f"{schema} is none of v1")

    @staticmethod
    def _decode(decoder: "msgspec.json.Decoder[D]", data: bytes | Raw) -> D:
        try:
            return decoder.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Poison("malformed", str(error) or type(error).__name__) from error


def _text(headers: dict[str, bytes], name: str) -> str | None:
    value = headers.get(name)
    try:
        return None if value is None else value.decode()
    except UnicodeDecodeError as error:
        raise Poison("malformed", f"the header {name} is not UTF-8") from error
