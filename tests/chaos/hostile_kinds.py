"""The kinds of hostile records by name, each with its expected dead letters."""

import base64
import gzip
import json
from collections.abc import Callable
from typing import Any, Final

from libs.contracts.topics import CATALOG_REWARD
from tests.chaos.effects import Event
from tests.chaos.hostile import HEAVY, KINDS, MALFORMED, REFUSED, VERSION, Hostile, Maker, kind
from tests.chaos.records import (
    SHIFTED,
    Compress,
    Headers,
    Record,
    encode_batch,
    filled_record,
    gzip_with_garbage_behind,
    lz4_with_wrong_checksum,
    snappy_of_another_version,
)

__all__ = ["HEAVY", "KINDS"]

_BOMB_BYTES: Final = 30_000_000


def _values(name: str, make: Callable[[Maker], bytes | None]) -> None:
    """A kind with a value that cannot be read as an event."""

    @kind(name)
    def _(maker: Maker) -> Hostile:
        return Hostile(kind=name, record=maker.record(make(maker)))


_values("tombstone", lambda _: None)
_values("empty", lambda _: b"")
_values("garbage", lambda maker: maker.garbage())
_values("cut JSON", lambda maker: (v := maker.value())[: maker.choose.randrange(len(v))])
_values("nested", lambda maker: b"[" * maker.choose.choice([2_000, 100_000]))
_values("nested events", lambda _: b'{"store_id":' * 5_000)
_values("UTF-16", lambda maker: maker.value().decode().encode("utf-16"))
_values("UTF-16 without a mark", lambda maker: maker.value().decode().encode("utf-16-be"))
_values("latin-1", lambda maker: maker.value().replace(b"store", b"st\xf6re"))
_values("gzip as the value", lambda maker: gzip.compress(maker.value(), 1))
_values("schema registry", lambda maker: b"\x00\x00\x00\x00\x07" + maker.value())
_values("Avro", lambda maker: b"Obj\x01\x04\x14avro.codec\x08null" + maker.garbage())
_values("two events", lambda maker: maker.value() + b"\n" + maker.value())
_values("a list of events", lambda maker: b"[" + maker.value() + b"]")
_values("JSON of another type", lambda m: m.choose.choice([b"null", b"0", b'"x"', b"[]", b"{}"]))
_values("a lone surrogate", lambda m: m.value().replace(b'"store_id": "', b'"store_id": "\\ud800'))
_values("no store", lambda m: m.value(store_id=None))
_values("a store that is a list", lambda m: m.value(store_id=[m.store_id]))
_values("NUL behind", lambda m: m.value() + b"\x00")
_values(
    "Connect", lambda m: json.dumps({"schema": {"type": "struct"}, "payload": m.event()}).encode()
)
_values(
    "Debezium",
    lambda m: json.dumps({"before": None, "after": m.event(), "op": "c", "ts_ms": 1}).encode(),
)
_values("a large key of JSON", lambda _: b'{"' + b"x" * 50_000 + b'": 1}')


@kind("no key and no value")
def _(maker: Maker) -> Hostile:
    # A broker refuses records without a key on a compacted topic.
    key = b"" if maker.topic.name == CATALOG_REWARD else None
    return Hostile(kind="no key and no value", record=maker.record(None, key=key))


@kind("odd key")
def _(maker: Maker) -> Hostile:
    key = maker.choose.choice([b"", b"\xff\x00", b"\x00" * 300, b"k" * 70_000])
    return Hostile(kind="odd key", record=maker.record(maker.garbage(), key=key))


@kind("extreme time")
def _(maker: Maker) -> Hostile:
    at = maker.choose.choice([0, -1, -2, -(10**13), -62_135_596_800_001, -(2**62)])
    return Hostile(kind="extreme time", record=maker.record(maker.garbage(), timestamp=at))


def _headers(name: str, make: Callable[[Maker], Headers], **expected: Any) -> None:
    """A kind with hostile headers; the value is a valid event unless given."""
    value = expected.pop("value", Maker.value)

    @kind(name)
    def _(maker: Maker) -> Hostile:
        record = maker.record(value(maker), headers=make(maker))
        return Hostile(kind=name, record=record, **expected)


_NAMES: Final = (b"content-type", b"ce_type", b"ce_dataschema", b"ce_specversion", b"traceparent")

_headers(
    "null headers",
    lambda maker: tuple((name, None) for name in maker.choose.sample(_NAMES, 3)),
    value=Maker.garbage,
)
_headers(
    "header values of bytes",
    lambda maker: tuple((name, b"\xff\xfe\x00") for name in maker.choose.sample(_NAMES, 3)),
    value=Maker.garbage,
)
_headers(
    "header names of bytes",
    lambda maker: ((maker.choose.choice([b"\xff\xfe", b"\xc3(", b"x\x80"]), b"1"), (b"a", b"1")),
    readable=False,
)
_headers("an empty header name", lambda _: ((b"", b""), (b"", None)), value=Maker.garbage)
_headers(
    "many headers",
    lambda maker: tuple((b"h%d" % n, b"v") for n in range(maker.choose.choice([200, 3_000]))),
    value=Maker.garbage,
)
_headers("one header many times", lambda _: ((b"ce_type", b"x"),) * 300)
_headers(
    "headers of a dead letter",
    lambda _: (
        (b"dlq-topic", b"x"),
        (b"dlq-partition", b"-1"),
        (b"dlq-offset", b"x"),
        (b"dlq-code", None),
        (b"dlq-time", b"\xff"),
        (b"dlq-service", b"nobody"),
    ),
    value=Maker.garbage,
)
_headers("another type", lambda _: ((b"ce_specversion", b"1.0"), (b"ce_type", b"order.shipped")))
_headers("a type of bytes", lambda _: ((b"ce_specversion", b"1.0"), (b"ce_type", b"\xff")))
_headers(
    "version 2",
    lambda m: (
        (b"ce_type", m.topic.name.encode()),
        (b"ce_dataschema", b"/events/" + m.topic.name.encode() + b"/v2"),
    ),
    codes=VERSION,
)
_headers(
    "version 2 without a type",
    lambda _: ((b"ce_specversion", b"1.0"), (b"ce_dataschema", b"https://shop.example/e/v2")),
    codes=VERSION,
)


def _envelope(maker: Maker, fields: Event) -> bytes:
    envelope = {"specversion": "1.0", "id": "1", "source": "/shop", "type": maker.topic.name}
    return json.dumps(envelope | fields).encode()


_STRUCTURED: Final = (b"content-type", b"application/cloudevents+json")


def _structured(name: str, codes: frozenset[str], make: Callable[[Maker], bytes | Event]) -> None:
    """A broken CloudEvent in structured mode."""

    def value(maker: Maker) -> bytes:
        content = make(maker)
        if isinstance(content, bytes):
            return content
        return _envelope(maker, {"data": maker.event(), **content})

    _headers(f"structured: {name}", lambda _: (_STRUCTURED,), value=value, codes=codes)


_values("structured without the header", lambda m: _envelope(m, {"data": m.event()}))
_structured("no JSON", MALFORMED, Maker.garbage)
_structured("a bare event", MALFORMED, Maker.value)
_structured("data of null", MALFORMED, lambda _: {"data": None})
_structured("data as text", MALFORMED, lambda maker: {"data": maker.value().decode()})
_structured("a type of null", MALFORMED, lambda _: {"type": None})
_structured("a type that is a number", MALFORMED, lambda _: {"type": 5})
_structured("another type", MALFORMED, lambda _: {"type": "order.shipped"})
_structured("version 2", VERSION, lambda _: {"dataschema": "/events/x/v2"})
_structured("a schema that is a number", MALFORMED, lambda _: {"dataschema": 5})
_structured("in itself", MALFORMED, lambda maker: {"data": {"data": maker.event()}})


@kind("structured: no base64")
def _(maker: Maker) -> Hostile:
    return _base64(maker, "structured: no base64", "*" + maker.value().decode())


@kind("structured: garbage in base64")
def _(maker: Maker) -> Hostile:
    return _base64(
        maker, "structured: garbage in base64", base64.b64encode(maker.garbage()).decode()
    )


def _base64(maker: Maker, name: str, data: str) -> Hostile:
    value = _envelope(maker, {"data_base64": data})
    return Hostile(kind=name, record=maker.record(value, headers=(_STRUCTURED,)))


@kind("attributes that are no varint")
def _(maker: Maker) -> Hostile:
    """The protocol leaves eight bits of each record unused; the client reads them as a varint."""
    record = maker.record(maker.garbage(), attributes=maker.choose.choice([0x80, 0xFF]))
    return Hostile(kind="attributes that are no varint", record=record, readable=False)


@kind("attributes that shift the offset")
def _(maker: Maker) -> Hostile:
    """The client would skip the records up to the offset that it reads for this one."""
    return Hostile(kind="attributes that shift the offset", record=SHIFTED)


def _broken_stream(name: str, codec: str, compress: Compress) -> None:
    """A stream that the broker can decompress and the client cannot."""

    @kind(name)
    def _(maker: Maker) -> Hostile:
        record = maker.record(maker.value())
        batch = encode_batch([record], codec=codec, compress=compress)
        return Hostile(kind=name, record=record, readable=False, batch=batch)


_broken_stream("gzip with garbage behind", "gzip", gzip_with_garbage_behind)
_broken_stream("lz4 with a wrong checksum", "lz4", lz4_with_wrong_checksum)
_broken_stream("snappy of another version", "snappy", snappy_of_another_version)


@kind("at the limit", among=HEAVY)
def _(maker: Maker) -> Hostile:
    return _filled(maker, "at the limit", maker.limit)


@kind("near the limit", among=HEAVY)
def _(maker: Maker) -> Hostile:
    return _filled(maker, "near the limit", maker.limit - maker.choose.randrange(70_000))


@kind("of any size", among=HEAVY)
def _(maker: Maker) -> Hostile:
    return _filled(maker, "of any size", maker.choose.randrange(10_000, maker.limit))


def _filled(maker: Maker, name: str, size: int) -> Hostile:
    record = filled_record(size, key=maker.key())
    return Hostile(kind=name, record=record, batch=encode_batch([record]))


@kind("headers up to the limit", among=HEAVY)
def _(maker: Maker) -> Hostile:
    headers = ((b"x-large", b"y" * (maker.limit - 1_000)),)
    record = maker.record(maker.garbage(), headers=headers)
    return Hostile(kind="headers up to the limit", record=record)


@kind("a key up to the limit", among=HEAVY)
def _(maker: Maker) -> Hostile:
    record = maker.record(maker.garbage(), key=b"k" * (maker.limit - 1_000))
    return Hostile(kind="a key up to the limit", record=record)


def _bomb(codec: str) -> None:
    @kind(f"zeros in {codec}", among=HEAVY)
    def _(maker: Maker) -> Hostile:
        record = maker.record(b"\x00" * _BOMB_BYTES)
        compress = gzip.compress if codec == "gzip" else None
        batch = encode_batch([record], codec=codec, compress=compress)
        record = Record(key=record.key, value=b"")
        return Hostile(
            kind=f"zeros in {codec}", record=record, readable=False, batch=batch, codes=REFUSED
        )


_bomb("gzip")
_bomb("lz4")
_bomb("zstd")
