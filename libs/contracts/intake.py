"""Events over REST, for shops without Kafka: CloudEvents in structured mode, one or many."""

from typing import Final, Literal

from msgspec import UNSET, Raw, Struct, UnsetType

from libs.contracts.api import Answer

MAX_EVENTS: Final = 500


# Media types are compared without case, whatever parameters follow.
JSON_MEDIA_TYPE: Final = r"^[Aa][Pp][Pp][Ll][Ii][Cc][Aa][Tt][Ii][Oo][Nn]/[Jj][Ss][Oo][Nn](\s*;.*)?$"


class EventEnvelope(Struct, frozen=True, kw_only=True):
    """A CloudEvent 1.0; `data` is the value that would stand on the topic called `type`, and
    `data_base64` the same in base64, in its place.

    `data.store_id` may be left out: the key's store is meant. `id` identifies the event to the
    caller; what counts once is the order's or refund's own id. Other attributes are ignored.
    """

    specversion: Literal["1.0"]
    id: str
    source: str
    type: Literal["order.completed", "order.refunded"]
    data: Raw | UnsetType = UNSET
    data_base64: str | UnsetType = UNSET
    time: str | None = None
    datacontenttype: str | None = None
    dataschema: str | None = None


class EventVerdict(Answer, frozen=True, kw_only=True):
    """What became of one event: 202 once it is on its topic, else a problem. `id` is the event's
    own, null where it has none that can be read. A `guest` has no customer: its event is read and
    passed over."""

    id: str | None
    status: int
    guest: bool | UnsetType = UNSET
    problem: Raw | UnsetType = UNSET


class EventsAnswer(Answer, frozen=True, kw_only=True):
    """A verdict for each event, in order."""

    data: list[EventVerdict]
