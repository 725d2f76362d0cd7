"""The events of each topic: their documentation, JSON Schema and golden sample."""

from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

from libs.contracts import events, topics
from libs.contracts.events import Event, ShopEvent
from tools.docs.schemas import Json, SchemaCollector

VERSION: Final = "v1"
_CUSTOMER_KEY: Final = "`{store_id}:{customer_id}`: a customer's events stay in order."
_REWARD_KEY: Final = (
    "`{store_id}:{reward_id}`: the topic is compacted to each reward's last version."
)


class EventDoc(Struct, frozen=True, kw_only=True):
    """The documentation of a topic's events: their producer, type, meaning and record key."""

    topic: str
    kind: type[Event] | type[ShopEvent]
    sender: str
    summary: str
    key: str = _CUSTOMER_KEY

    @property
    def is_ours(self) -> bool:
        """Whether a service publishes it; otherwise shops do."""
        return self.sender != "shop"


EVENTS: Final = (
    EventDoc(
        topic=topics.ORDER_COMPLETED,
        kind=events.OrderCompleted,
        sender="shop",
        summary="An order was completed and may earn points.",
    ),
    EventDoc(
        topic=topics.ORDER_REFUNDED,
        kind=events.OrderRefunded,
        sender="shop",
        summary="An order was refunded, in part or in full.",
    ),
    EventDoc(
        topic=topics.ORDER_FULFILLED,
        kind=events.OrderFulfilled,
        sender="shop",
        summary="An order was delivered.",
    ),
    EventDoc(
        topic=topics.POINTS_EARNED,
        kind=events.PointsPosted,
        sender="earning",
        summary="Points were earned, by an order or by a manual award.",
    ),
    EventDoc(
        topic=topics.POINTS_REDEEMED,
        kind=events.PointsPosted,
        sender="earning",
        summary="Points were redeemed for a reward.",
    ),
    EventDoc(
        topic=topics.POINTS_ADJUSTED,
        kind=events.PointsPosted,
        sender="earning",
        summary="A balance changed in any other way: refund, void, cancel, adjust or expire.",
    ),
    EventDoc(
        topic=topics.POINTS_TIER_CHANGED,
        kind=events.TierChanged,
        sender="earning",
        summary="A customer's tier in the default program changed.",
    ),
    EventDoc(
        topic=topics.CATALOG_REWARD,
        kind=events.RewardChanged,
        sender="catalog",
        summary="A reward was created, changed or deleted; the event carries its whole new version.",
        key=_REWARD_KEY,
    ),
    EventDoc(
        topic=topics.ANOMALY_FLAGGED,
        kind=events.AnomalyChanged,
        sender="anomaly",
        summary="Suspicious earning was flagged, or a flagged burst grew.",
    ),
    EventDoc(
        topic=topics.ANOMALY_RESOLVED,
        kind=events.AnomalyChanged,
        sender="anomaly",
        summary="An anomaly was resolved; a resolution is final.",
    ),
)


class Sample(Struct, frozen=True):
    """A record as published to a topic. A committed sample is never changed: every later reader must
    still be able to read it."""

    key: str
    headers: dict[str, str]
    value: dict[str, Any]


def schema_of(event: EventDoc) -> Json:
    """The JSON Schema of a topic's values; its id is the event's `ce_dataschema`."""
    schemas = SchemaCollector("#/$defs/")
    schemas.of(event.kind)
    own = schemas.collected.pop(event.kind.__name__)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"/events/{event.topic}/{VERSION}",
        "title": event.topic,
        **own,
        "description": f"{event.summary} {own['description']}",
        **({"$defs": schemas.collected} if schemas.collected else {}),
    }


def read_sample(folder: Path, event: EventDoc) -> Sample:
    """The topic's golden sample in `folder`."""
    return msgspec.json.decode((folder / f"{event.topic}.{VERSION}.json").read_bytes(), type=Sample)
