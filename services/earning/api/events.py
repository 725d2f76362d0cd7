"""Orders and refunds over REST: CloudEvents checked like a consumer would, put on their topics."""

import re
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any, Final

import msgspec
from litestar import post
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler
from msgspec import UNSET, Raw, Struct, UnsetType

from libs.contracts.events import OrderCompleted, OrderRefunded, ShopId
from libs.contracts.intake import JSON_MEDIA_TYPE, MAX_EVENTS, EventEnvelope
from libs.contracts.operations import CLOUD_EVENTS
from libs.contracts.topics import ORDER_COMPLETED, ORDER_REFUNDED, record_key
from libs.kernel.clock import format_time, parse_time, utc_now
from libs.kernel.errors import InvalidRequest
from libs.kernel.ids import OTHER_ID
from libs.messaging.cloudevents import data_in
from libs.messaging.outbox import EncodedEvent
from libs.observability import tracing
from libs.web import checks
from libs.web.body import Faults, decode, read
from libs.web.requests import AnyRequest, Body, stored_body, write_of_bytes
from services.earning.api.resources import resources_of
from services.earning.domain.intake import (
    OutOfBounds,
    customer_id_of,
    is_guests,
    order_of,
    refund_of,
)
from services.earning.handlers import intake
from services.earning.handlers.intake import Guest, Sent

_MAX_SOURCE: Final = 255
_ID_RULE: Final = "1-128 characters, none of them a control character"
_UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

# An event's type, its shape, and what holds it to its bounds.
_KINDS: Final[dict[str, tuple[Any, Callable[..., object]]]] = {
    ORDER_COMPLETED: (OrderCompleted, order_of),
    ORDER_REFUNDED: (OrderRefunded, refund_of),
}


class _Named(Struct):
    """All that the verdict on an event needs to know of it."""

    id: str | None = None


class _Placed(Struct):
    """The store that an event's value names, if it does."""

    store_id: ShopId | UnsetType = UNSET


@post("/v1/stores/{store_id:str}/events", operation_id="sendEvents", status_code=202)
async def send_events(request: AnyRequest, store_id: FromPath[str]) -> Body:
    """Put events on their topics; answers once the broker has them."""
    body = await request.body()
    reader = _Reader(store_id, tracing.traceparent(request.headers.get(tracing.HEADER)))
    if _media_type(request) == CLOUD_EVENTS:
        sent = [reader.judge(raw, at=f"#/{place}") for place, raw in enumerate(_split(body))]
    else:
        sent = [reader.read(body, at="#")]
    write = write_of_bytes(request, store_id, body)
    resources = resources_of(request)
    response = await intake.send(
        resources.batches, resources.publish, sent, write.claim, write.caller.request_id
    )
    return stored_body(response)


ROUTES: Final[tuple[ControllerRouterHandler, ...]] = (send_events,)


def _media_type(request: AnyRequest) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _split(body: bytes) -> list[Raw]:
    """The events of a batch; raises InvalidRequest for a faulty envelope."""
    events = decode(body, list[Raw])
    faults = Faults()
    if not 1 <= len(events) <= MAX_EVENTS:
        faults.at("#", f"1-{MAX_EVENTS} events")
    faults.raise_if_any()
    return events


def _id_in(raw: Raw) -> str | None:
    """The event's id as far as it can be read."""
    try:
        return msgspec.json.decode(raw, type=_Named).id
    except _UNREADABLE:
        return None


class _Reader(Struct, frozen=True):
    """Reads the events of one request of a store's."""

    store_id: str
    traceparent: str

    def judge(self, raw: Raw, *, at: str) -> Sent:
        """An event of a batch, or what is wrong with it."""
        try:
            return self.read(bytes(raw), at=at)
        except InvalidRequest as error:
            return Sent(_id_in(raw), error)

    def read(self, body: bytes, *, at: str) -> Sent:
        """The event in `body`, ready for its topic, or a guest's; raises InvalidRequest."""
        now = utc_now()
        faults = Faults()
        envelope = read(body, EventEnvelope, faults, check=partial(_check, at=at), at=at)
        if envelope is None or envelope.type not in _KINDS or faults.has(f"{at}/data_base64"):
            # What the data should be is not known.
            faults.raise_if_any()
        assert envelope is not None
        data, place = _data_of(envelope, faults, at=at)
        value = self._value(data, faults, at=place)
        customer_id = _customer_of(envelope.type, value, faults, at=place, now=now)
        faults.raise_if_any()
        if customer_id is None:
            return Sent(envelope.id, Guest(envelope.type))
        return Sent(
            envelope.id,
            EncodedEvent(
                topic=envelope.type,
                key=record_key(self.store_id, customer_id),
                value=value,
                id=envelope.id,
                source=envelope.source,
                time=envelope.time or format_time(now),
                traceparent=self.traceparent,
            ),
        )

    def _value(self, value: bytes, faults: Faults, *, at: str) -> bytes:
        """The event's value with its store. The shop's bytes stay as they are: spelling its numbers
        anew might change them."""
        try:
            named = msgspec.json.decode(value, type=_Placed).store_id
        except _UNREADABLE:
            # What is wrong with it is found when the event is read.
            return value
        if named is UNSET:
            rest = value.lstrip()[1:].lstrip()
            comma = b"" if rest.startswith(b"}") else b","
            return b'{"store_id":' + msgspec.json.encode(self.store_id) + comma + rest
        if str(named) != self.store_id:
            faults.at(f"{at}/store_id", "the store that the key belongs to; it may be left out")
        return value


def _data_of(envelope: EventEnvelope, faults: Faults, *, at: str) -> tuple[bytes, str]:
    """The event's value, and the place in the body where it stands; raises InvalidRequest, with all
    that was found so far, where there is none."""
    try:
        data = bytes(data_in(envelope.data, envelope.data_base64))
    except ValueError as error:
        faults.at(f"{at}/data", str(error))
        faults.raise_if_any()
        raise
    return data, f"{at}/data" if envelope.data_base64 is UNSET else f"{at}/data_base64"


def _customer_of(kind: str, value: bytes, faults: Faults, *, at: str, now: datetime) -> str | None:
    """Whose event it is, once it is held to the bounds that the consumer holds it to; None for a
    guest's, and where a fault was found."""
    shape, posting_of = _KINDS[kind]
    before = len(faults.found)
    event = read(value, shape, faults, at=at)
    if event is None or len(faults.found) > before or is_guests(event):
        return None
    try:
        posting_of(event, now=now)
        return customer_id_of(event)
    except OutOfBounds as error:
        field, _, rule = str(error).partition(": ")
        faults.at(f"{at}/{field}", rule)
        return None


def _check(envelope: EventEnvelope, faults: Faults, *, at: str) -> None:
    """The bounds of what stands around the value."""
    if not OTHER_ID.fullmatch(envelope.id):
        faults.at(f"{at}/id", _ID_RULE)
    checks.text(envelope.source, faults, at=f"{at}/source", longest=_MAX_SOURCE)
    if envelope.time is not None:
        try:
            parse_time(envelope.time)
        except ValueError as error:
            faults.at(f"{at}/time", str(error))
    kind = envelope.datacontenttype
    if kind is not None and not re.match(JSON_MEDIA_TYPE, kind):
        faults.at(f"{at}/datacontenttype", "application/json")
    if envelope.dataschema is not None and not envelope.dataschema.endswith("/v1"):
        faults.at(f"{at}/dataschema", "a schema of version 1, ending in /v1")
