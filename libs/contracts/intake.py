"""Events over REST, for shops without Kafka: CloudEvents in structured mode, single or in batches."""

from typing import Final, Literal

from msgspec import UNSET, Raw, Struct, UnsetType

from libs.contracts.api import Response

MAX_EVENTS: Final = 500

# Media types are compared without case and without parameters.
JSON_MEDIA_TYPE: Final = r"^[Aa][Pp][Pp][Ll][Ii][Cc][Aa][Tt][Ii][Oo][Nn]/[Jj][Ss][Oo][Nn](\s*;.*)?$"


class EventEnvelope(Struct, frozen=True, kw_only=True):
    """A CloudEvent 1.0. `data` is the value of a record on the topic named by `type`; `data_base64`
    is the same value in base64, instead of `data`.

    `data.store_id` may be omitted; it is then the key's store. `id` identifies the event in the
    response; duplicates are recognized by the id of the order or refund. Other attributes are
    ignored.
    """

    specversion: Literal["1.0"]
    id: str
    source: str
    type: Literal["order.completed", "order.refunded", "order.fulfilled"]
    data: Raw | UnsetType = UNSET
    data_base64: str | UnsetType = UNSET
    time: str | None = None
    datacontenttype: str | None = None
    dataschema: str | None = None


class EventVerdict(Response, frozen=True, kw_only=True):
    """The outcome of one event: 202 once it is stored on its topic, else a problem. `id` is that of
    the event, or null if it has no readable one. `guest` is true for an event without a customer,
    which is validated and ignored."""

    id: str | None
    status: int
    guest: bool | UnsetType = UNSET
    problem: Raw | UnsetType = UNSET


class EventsAnswer(Response, frozen=True, kw_only=True):
    """The outcome of each event, in order."""

    data: list[EventVerdict]
