"""The route for shop events: orders and refunds as CloudEvents, held to the consumers' rules."""

import re
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Final

import msgspec
from litestar import post
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler
from msgspec import UNSET, Raw, Struct, UnsetType

from libs.contracts import api
from libs.contracts.events import OrderCompleted, OrderFulfilled, OrderRefunded, ShopId
from libs.contracts.intake import (
    JSON_MEDIA_TYPE,
    MAX_EVENTS,
    EventEnvelope,
    EventsAnswer,
    EventVerdict,
)
from libs.contracts.operations import CLOUD_EVENTS
from libs.contracts.topics import ORDER_COMPLETED, ORDER_FULFILLED, ORDER_REFUNDED, record_key
from libs.kernel.clock import format_time, parse_time
from libs.kernel.errors import InvalidRequest
from libs.kernel.ids import OTHER_ID
from libs.messaging.cloudevents import data_in
from libs.messaging.outbox import EncodedEvent
from libs.observability import tracing
from libs.persistence.idempotency import StoredResponse
from libs.web import checks, problems
from libs.web.body import Faults, decode, read
from libs.web.requests import AnyRequest, Body, stored_body, write_of_bytes
from services.earning.api.resources import resources_of
from services.earning.domain.shop_events import (
    OutOfBounds,
    build_fulfillment,
    build_order,
    build_refund,
    is_guest,
    read_customer_id,
)
from services.earning.handlers import shop_events
from services.earning.handlers.shop_events import Guest, SubmittedEvent

_MAX_SOURCE: Final = 255
_ID_RULE: Final = "must have 1 to 128 characters, none of them control characters"
_UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

# By type: the event's shape, and the function that checks its bounds.
_KINDS: Final[dict[str, tuple[Any, Callable[..., object]]]] = {
    ORDER_COMPLETED: (OrderCompleted, build_order),
    ORDER_REFUNDED: (OrderRefunded, build_refund),
    ORDER_FULFILLED: (OrderFulfilled, build_fulfillment),
}


class _EventId(Struct):
    """The part of an unreadable event that its verdict needs."""

    id: str | None = None


class _StoreId(Struct):
    """The store that an event's value may name."""

    store_id: ShopId | UnsetType = UNSET


@post("/v1/stores/{store_id:str}/events", operation_id="sendEvents", status_code=202)
async def send_events(request: AnyRequest, store_id: FromPath[str]) -> Body:
    """Publish events to their topics; responds once the broker has acknowledged them."""
    body = await request.body()
    resources = resources_of(request)
    reader = _Reader(store_id, tracing.current(), await resources.clocks.now(store_id))
    if _media_type(request) == CLOUD_EVENTS:
        events = [reader.read_item(raw, at=f"#/{place}") for place, raw in enumerate(_split(body))]
    else:
        events = [reader.read(body, at="#")]
    write = write_of_bytes(request, store_id, body)
    response = await shop_events.publish_events(
        resources.write_engine,
        resources.publish,
        write,
        events,
        _verdicts(events, write.caller.request_id),
    )
    return stored_body(response)


ROUTES: Final[tuple[ControllerRouterHandler, ...]] = (send_events,)


def _verdicts(events: Sequence[SubmittedEvent], request_id: str) -> StoredResponse:
    data = [_verdict(event, request_id) for event in events]
    return StoredResponse(202, api.encode(EventsAnswer(data=data)))


def _verdict(event: SubmittedEvent, request_id: str) -> EventVerdict:
    if isinstance(event.content, EncodedEvent):
        return EventVerdict(id=event.id, status=202)
    if isinstance(event.content, Guest):
        return EventVerdict(id=event.id, status=202, guest=True)
    problem = Raw(problems.body_of(event.content, request_id))
    return EventVerdict(id=event.id, status=problems.status_of(event.content), problem=problem)


def _media_type(request: AnyRequest) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _split(body: bytes) -> list[Raw]:
    """The events of a batch; raises InvalidRequest if the envelope is invalid."""
    events = decode(body, list[Raw])
    faults = Faults()
    if not 1 <= len(events) <= MAX_EVENTS:
        faults.at("#", f"must have 1 to {MAX_EVENTS} events")
    faults.raise_if_any()
    return events


def _find_id(raw: Raw) -> str | None:
    """The id of an event that may be unreadable otherwise."""
    try:
        return msgspec.json.decode(raw, type=_EventId).id
    except _UNREADABLE:
        return None


class _Reader(Struct, frozen=True):
    """Reads the events of one request to the store; `now` is the time of its clock."""

    store_id: str
    traceparent: str
    now: datetime

    def read_item(self, raw: Raw, *, at: str) -> SubmittedEvent:
        """One event of a batch, or its faults."""
        try:
            return self.read(bytes(raw), at=at)
        except InvalidRequest as error:
            return SubmittedEvent(_find_id(raw), error)

    def read(self, body: bytes, *, at: str) -> SubmittedEvent:
        """The event in `body`, encoded for its topic or a guest's; raises InvalidRequest."""
        faults = Faults()
        envelope = read(body, EventEnvelope, faults, check=partial(_check, at=at), at=at)
        if envelope is None or envelope.type not in _KINDS or faults.has(f"{at}/data_base64"):
            # The data cannot be checked without the type.
            faults.raise_if_any()
        assert envelope is not None
        data, data_at = _read_data(envelope, faults, at=at)
        value = self._add_store(data, faults, at=data_at)
        customer_id = _check_value(envelope.type, value, faults, at=data_at, now=self.now)
        faults.raise_if_any()
        if customer_id is None:
            return SubmittedEvent(envelope.id, Guest(envelope.type))
        return SubmittedEvent(
            envelope.id,
            EncodedEvent(
                topic=envelope.type,
                key=record_key(self.store_id, customer_id),
                value=value,
                id=envelope.id,
                source=envelope.source,
                time=envelope.time or format_time(self.now),
                traceparent=self.traceparent,
            ),
        )

    def _add_store(self, value: bytes, faults: Faults, *, at: str) -> bytes:
        """The event's value with its store. The shop's bytes stay the same otherwise: encoding its
        numbers again could change them."""
        try:
            store_id = msgspec.json.decode(value, type=_StoreId).store_id
        except _UNREADABLE:
            # Reading the event as its type reports the fault.
            return value
        if store_id is UNSET:
            rest = value.lstrip()[1:].lstrip()
            comma = b"" if rest.startswith(b"}") else b","
            return b'{"store_id":' + msgspec.json.encode(self.store_id) + comma + rest
        if str(store_id) != self.store_id:
            faults.at(f"{at}/store_id", "must be the store of the API key, or be left out")
        return value


def _read_data(envelope: EventEnvelope, faults: Faults, *, at: str) -> tuple[bytes, str]:
    """The event's value and its place in the body. Raises InvalidRequest with all faults so far if
    there is no value."""
    try:
        data = bytes(data_in(envelope.data, envelope.data_base64))
    except ValueError as error:
        if envelope.data is UNSET and envelope.data_base64 is not UNSET:
            faults.at(f"{at}/data_base64", "must be valid base64")
        else:
            faults.at(f"{at}/data", str(error))
        faults.raise_if_any()
        raise
    return data, f"{at}/data" if envelope.data_base64 is UNSET else f"{at}/data_base64"


def _check_value(kind: str, value: bytes, faults: Faults, *, at: str, now: datetime) -> str | None:
    """Check the event against the bounds that the consumer applies, and return its customer's id;
    None for a guest, and if faults were found."""
    shape, build = _KINDS[kind]
    before = len(faults.all)
    event = read(value, shape, faults, at=at)
    if event is None or len(faults.all) > before or is_guest(event):
        return None
    try:
        build(event, now=now)
        return read_customer_id(event)
    except OutOfBounds as error:
        field, _, rule = str(error).partition(": ")
        faults.at(f"{at}/{field}", rule)
        return None


def _check(envelope: EventEnvelope, faults: Faults, *, at: str) -> None:
    """Check the attributes of the envelope."""
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
        faults.at(f"{at}/datacontenttype", "must be application/json")
    if envelope.dataschema is not None and not envelope.dataschema.endswith("/v1"):
        faults.at(f"{at}/dataschema", "must be a schema of version 1, ending in /v1")
