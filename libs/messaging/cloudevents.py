"""CloudEvents 1.0 on Kafka: writes binary mode; reads binary mode, structured mode and bare JSON."""

import base64
import binascii
import re
from collections.abc import Sequence
from typing import Any, Final, Generic, Literal, TypeVar, get_args

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from libs.contracts.event_bounds import EVENT_BOUNDS, breach
from libs.contracts.numbers import decoder
from libs.messaging.describe_error import describe_error
from libs.messaging.describe_value import describe_value
from libs.messaging.outbox import EncodedEvent, RecordHeaders

E = TypeVar("E")
D = TypeVar("D")

PoisonCode = Literal["malformed", "invalid", "conflict", "unsupported_version", "defect"]

POISON_CODES: Final[tuple[PoisonCode, ...]] = get_args(PoisonCode)

Headers = list[tuple[str, bytes]]
# The headers content-type, ce_type and ce_dataschema, None where a record lacks one.
_DeclaredType = tuple[bytes | None, bytes | None, bytes | None]

_DECLARATIONS: Final = frozenset({"content-type", "ce_type", "ce_dataschema"})
_SPEC_VERSION: Final = b"1.0"
_SCHEMA_ROOT: Final = "/events"
_JSON: Final = b"application/json"
_STRUCTURED: Final = b"application/cloudevents+json"
_MAJOR: Final = re.compile(r"/v([0-9]+)$")

_encode: Final = msgspec.json.Encoder(decimal_format="string").encode


class Poison(Exception):
    """A record that can never be processed; `code` and `detail` become those of its dead letter."""

    def __init__(self, code: PoisonCode, detail: str) -> None:
        super().__init__(detail)
        self.code: PoisonCode = code
        self.detail = detail


class _Envelope(Struct):
    """A CloudEvent in structured mode; its value is in `data` as JSON, or in `data_base64`."""

    type: str
    data: Raw | UnsetType = UNSET
    data_base64: str | UnsetType = UNSET
    dataschema: str | None = None


class _Data(Struct):
    """The value of a CloudEvent in structured mode, whatever else is invalid in it."""

    data: Raw | UnsetType = UNSET
    data_base64: str | UnsetType = UNSET


_envelope: Final = msgspec.json.Decoder(_Envelope)
_peek_envelope: Final = msgspec.json.Decoder(_Data)


def encode_event(
    event: Struct,
    *,
    topic: str,
    key: bytes,
    event_id: str,
    source: str,
    time: str,
    traceparent: str,
) -> EncodedEvent:
    """Encode an event for the outbox. `time` is RFC 3339; `traceparent` is that of the request that
    caused the event, or empty."""
    return EncodedEvent(
        topic=topic,
        key=key,
        value=_encode(event),
        id=event_id,
        source=source,
        time=time,
        traceparent=traceparent,
    )


def headers_of(event: EncodedEvent) -> RecordHeaders:
    """The headers of binary mode, in which the event's type is its topic; or those that it has."""
    if event.headers is not None:
        return event.headers
    headers: RecordHeaders = [
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
    """Reads the records of `topics` as events of one type; an event's type is its topic.

    Events of the services are checked against their bounds. For events of shops, the consumer does
    this.
    """

    def __init__(self, *topics: str, kind: type[E]) -> None:
        self._topics = frozenset(topics)
        self._decoder = decoder(kind)
        self._is_bounded = kind in EVENT_BOUNDS
        # The last valid combination of headers in binary mode: most records have the same.
        self._valid_type: _DeclaredType = (None, None, None)

    def read(self, record: Any) -> E:
        """The event in `record`. Raises Poison if there is no event of the type, if it exceeds a
        bound of EVENT_BOUNDS, or if its version is not supported."""
        value = record.value
        if value is None:
            raise Poison("malformed", "the record has no value")
        if record.headers:
            value = self._value_of(value, dict(record.headers))
        event = _decode(self._decoder, value)
        if self._is_bounded:
            broken = breach(event)  # type: ignore[arg-type]  # it has bounds, so it is a struct
            if broken is not None:
                raise Poison("invalid", broken)
        return event

    def read_batch(self, records: Sequence[Any]) -> list[E]:
        """The events in `records`, if every record is in binary mode or bare JSON, with a value on one
        line. Raises any exception if one is not, or is no valid event: `read` then says what is wrong
        with which."""
        declared = {
            header
            for record in records
            if record.headers
            for header in record.headers
            if header[0] in _DECLARATIONS
        }
        for name, content in declared:
            # In binary mode each of these headers is valid, or not, whatever the others are.
            if self._value_of(b"", {name: content}):
                raise ValueError(f"{name} declares another mode")
        lines = b"\n".join([record.value for record in records])
        events = self._decoder.decode_lines(lines)
        # A value of two lines, or of none, must not stand for another number of events.
        if len(events) != len(records) or lines.count(b"\n") != len(records) - 1:
            raise ValueError("a value is not one line")
        if self._is_bounded and any(breach(event) for event in events):  # type: ignore[arg-type]
            raise ValueError("an event exceeds a bound")
        return events

    def _value_of(self, value: bytes, headers: dict[str, bytes]) -> bytes | Raw:
        """The event's value, after its type and version were checked."""
        declared = headers.get("content-type"), headers.get("ce_type"), headers.get("ce_dataschema")
        if declared == self._valid_type:
            return value
        content_type, event_type, schema = declared
        if content_type is not None and _is_structured(content_type):
            envelope = _decode(_envelope, value)
            self._check_type(envelope.type)
            _check_version(envelope.dataschema)
            return _data_of(envelope)
        if event_type is not None:
            self._check_type(_text(event_type, "ce_type"))
        if schema is not None:
            _check_version(_text(schema, "ce_dataschema"))
        self._valid_type = declared
        return value

    def _check_type(self, event_type: str) -> None:
        if event_type not in self._topics:
            expected = " or ".join(sorted(self._topics))
            raise Poison("malformed", f"the event's type is {event_type}, not {expected}")


def _is_structured(content_type: bytes) -> bool:
    """Whether the media type, compared without case and parameters, is that of structured mode."""
    return content_type.partition(b";")[0].strip().lower() == _STRUCTURED


def _check_version(schema: str | None) -> None:
    if schema is None:
        return
    major = _MAJOR.search(schema)
    if major is None or major[1] != "1":
        raise Poison("unsupported_version", f"the schema {schema} is not of version 1")


def _data_of(envelope: _Envelope) -> bytes | Raw:
    try:
        return data_in(envelope.data, envelope.data_base64)
    except ValueError as error:
        raise Poison("malformed", str(error)) from error


def data_in(data: Raw | UnsetType, data_base64: str | UnsetType) -> bytes | Raw:
    """The value of an event in structured mode; raises ValueError unless exactly one of `data` and
    a valid `data_base64` is set."""
    if data_base64 is UNSET:
        if data is UNSET:
            raise ValueError("the event has neither `data` nor `data_base64`")
        return data
    if data is not UNSET:
        raise ValueError("the event has both `data` and `data_base64`")
    try:
        return base64.b64decode(data_base64, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError(f"`data_base64` is not valid base64: {error}") from error


def peek(value: bytes | None, headers: Sequence[tuple[str, bytes]]) -> dict[str, object] | None:
    """The JSON object that is the value of an event, in any of the modes, however invalid it is as an
    event; None if the record holds no readable object."""
    try:
        body = msgspec.json.decode(value or b"")
        is_envelope = isinstance(body, dict) and (
            "specversion" in body or _is_structured(dict(headers).get("content-type") or b"")
        )
        if is_envelope:
            envelope = _peek_envelope.decode(value or b"")
            body = msgspec.json.decode(data_in(envelope.data, envelope.data_base64))
    except (msgspec.DecodeError, ValueError, RecursionError):
        return None
    return body if isinstance(body, dict) else None


def _decode(decoder: "msgspec.json.Decoder[D]", value: bytes | Raw) -> D:
    try:
        return decoder.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        detail = describe_error(bytes(value), error)
        description = describe_value(bytes(value))
        if description is not None:
            detail = f"{detail}; {description}"
        raise Poison("malformed", detail) from error


def _text(value: bytes, name: str) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise Poison("malformed", f"the header {name} is not UTF-8") from error
