"""Events over REST, and the result of each."""

from datetime import datetime
from typing import Any, NotRequired, TypedDict

from whale_loyalty.models.base import Model


class EventVerdict(Model, frozen=True, kw_only=True):
    """The result of one event: accepted (202), or rejected (400) with the `problem`.

    `id` is the event's, or None if it could not be read. The order of a `guest` is accepted and earns
    nothing."""

    id: str | None
    status: int
    problem: dict[str, Any] | None = None
    guest: bool = False


class EventsAnswer(Model, frozen=True, kw_only=True):
    """The result of each event, in the order of the request."""

    data: list[EventVerdict]


class EventInput(TypedDict):
    """An event to send; `id`, `source` and `time` are generated if they are omitted."""

    type: str
    data: Any
    id: NotRequired[str]
    source: NotRequired[str]
    time: NotRequired[datetime | str]
