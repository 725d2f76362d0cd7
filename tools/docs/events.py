"""The events' JSON Schemas and golden samples, one of each per topic."""

from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

from libs.contracts import events, topics
from libs.contracts.events import Event, ShopEvent
from tools.docs.shapes import Json, Shapes

VERSION: Final = "v1"
_CUSTOMER_KEY: Final = "`{store_id}:{customer_id}`: a customer's events stay in order."
_REWARD_KEY: Final = "`{store_id}:{reward_id}`: the topic keeps each reward's last version."


class Told(Struct, frozen=True, kw_only=True):
    """A topic as the reference tells it: who writes it, what stands on it, and by which key."""

    topic: str
    kind: type[Event] | type[ShopEvent]
    sender: str
    summary: str
    key: str = _CUSTOMER_KEY

    @property
    def is_ours(self) -> bool:
        """Whether we write it; else shops do."""
        return self.sender != "shop"


EVENTS: Final = (
    Told(
        topic=topics.ORDER_COMPLETED,
        kind=events.OrderCompleted,
        sender="shop",
        summary="An order was completed and may earn points.",
    ),
    Told(
        topic=topics.ORDER_REFUNDED,
        kind=events.OrderRefunded,
        sender="shop",
        summary="An order was refunded, in part or whole.",
    ),
    Told(
        topic=topics.POINTS_EARNED,
        kind=events.PointsPosted,
        sender="earning",
        summary="Points were earned, by an order or by hand.",
    ),
    Told(
        topic=topics.POINTS_REDEEMED,
        kind=events.PointsPosted,
        sender="earning",
        summary="Points were redeemed for a reward.",
    ),
    Told(
        topic=topics.POINTS_ADJUSTED,
        kind=events.PointsPosted,
        sender="earning",
        summary="Points changed in any other way: refund, void, cancel, adjust or expire.",
    ),
    Told(
        topic=topics.POINTS_TIER_CHANGED,
        kind=events.TierChanged,
        sender="earning",
        summary="A customer's tier in the default program is another than it was.",
    ),
    Told(
        topic=topics.CATALOG_REWARD,
        kind=events.RewardChanged,
        sender="catalog",
        summary="A reward was made, changed or deleted: the whole of its new version.",
        key=_REWARD_KEY,
    ),
    Told(
        topic=topics.ANOMALY_FLAGGED,
        kind=events.AnomalyChanged,
        sender="anomaly",
        summary="Suspicious earning was flagged, or has grown.",
    ),
    Told(
        topic=topics.ANOMALY_RESOLVED,
        kind=events.AnomalyChanged,
        sender="anomaly",
        summary="An anomaly was resolved, for good.",
    ),
)


class Sample(Struct, frozen=True):
    """A record as it stands on a topic. Once committed it is never changed: every reader of today
    must read it for ever."""

    key: str
    headers: dict[str, str]
    value: dict[str, Any]


def schema_of(told: Told) -> Json:
    """The JSON Schema of a topic's values; its id is the event's `ce_dataschema`."""
    shapes = Shapes("#/$defs/")
    shapes.of(told.kind)
    own = shapes.found.pop(told.kind.__name__)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"/events/{told.topic}/{VERSION}",
        "title": told.topic,
        **own,
        "description": f"{told.summary} {own['description']}",
        **({"$defs": shapes.found} if shapes.found else {}),
    }


def sample_of(folder: Path, told: Told) -> Sample:
    """The topic's golden sample, in the folder of samples."""
    return msgspec.json.decode((folder / f"{told.topic}.{VERSION}.json").read_bytes(), type=Sample)
