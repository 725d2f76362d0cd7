"""Describes a record that cannot be read, as a hint for the developer of its sender."""

from collections.abc import Mapping
from typing import Final

import msgspec
from msgspec import Raw

_REGISTRY_HEADER: Final = 5

# The first bytes of formats and encodings other than plain JSON in UTF-8.
_PREFIXES: Final = (
    (b"\x1f\x8b", "gzip; a Kafka producer compresses by itself, with `compression.type`"),
    (b"\x28\xb5\x2f\xfd", "zstd; a Kafka producer compresses by itself, with `compression.type`"),
    (b"Obj\x01", "an Avro file"),
    (b"\xff\xfe", "text in UTF-16 or UTF-32, not UTF-8"),
    (b"\xfe\xff", "text in UTF-16, not UTF-8"),
    (b"{\x00", "text in UTF-16, not UTF-8"),
    (b"\x00{", "text in UTF-16, not UTF-8"),
    (b"\xef\xbb\xbf", "JSON after a byte order mark, which must be removed"),
    (b"<", "XML or HTML"),
)
_STRUCTURED: Final = (
    "a CloudEvent in structured mode, which is sent with the header "
    "`content-type: application/cloudevents+json`"
)

_members: Final = msgspec.json.Decoder(dict[str, Raw])


def describe_value(value: bytes) -> str | None:
    """The format that `value` seems to have, as a clause of a sentence, or None if it resembles no
    known format."""
    kind = _binary_kind(value) or _json_kind(value)
    return None if kind is None else f"it looks like {kind}"


def _binary_kind(value: bytes) -> str | None:
    for start, kind in _PREFIXES:
        if value.startswith(start):
            return kind
    if len(value) > _REGISTRY_HEADER and value[0] == 0:
        schema = int.from_bytes(value[1:_REGISTRY_HEADER], "big")
        return f"the framing of a schema registry (schema {schema}) before the value"
    return None


def _json_kind(value: bytes) -> str | None:
    text = value.lstrip()
    if text.startswith(b"["):
        return "a JSON array; send each event as a record of its own"
    if text.startswith(b'"'):
        return "a JSON string that contains JSON: it was encoded twice"
    try:
        return _object_kind(_members.decode(value))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _object_kind(members: Mapping[str, Raw]) -> str | None:
    if "specversion" in members and "type" in members:
        return _STRUCTURED
    if "schema" in members and "payload" in members:
        return (
            "Kafka Connect's JSON with a schema: set `value.converter.schemas.enable` to false, so "
            "that the payload alone is sent"
        )
    if "after" in members and ("before" in members or "op" in members):
        return "a change event of a database (Debezium): send the order itself, as documented"
    return None
