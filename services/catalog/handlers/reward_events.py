"""The event that publishes a version of a reward."""

from datetime import datetime
from typing import Final

from libs.contracts.events import RewardChanged, RewardWorth
from libs.contracts.numbers import money, plain
from libs.contracts.topics import CATALOG_REWARD, record_key
from libs.kernel.clock import format_time
from libs.messaging.cloudevents import encode_event
from libs.messaging.outbox import EncodedEvent
from libs.observability import tracing
from services.catalog.domain import Reward, Value

SOURCE: Final = "/services/catalog"


def encode_version(store_id: str, reward: Reward, now: datetime) -> EncodedEvent:
    """The version as an event for the outbox."""
    return encode_event(
        version_event(store_id, reward),
        topic=CATALOG_REWARD,
        key=record_key(store_id, reward.id),
        event_id=f"{store_id}/{reward.id}/{reward.version}",
        source=SOURCE,
        time=format_time(now),
        traceparent=tracing.current(),
    )


def version_event(store_id: str, reward: Reward) -> RewardChanged:
    """The version as other services see it."""
    return RewardChanged(
        store_id=store_id,
        id=reward.id,
        version=reward.version,
        name=reward.name,
        points_cost=reward.points_cost,
        type=reward.type,
        is_active=reward.is_active,
        created_at=format_time(reward.created_at),
        description=reward.description,
        value=None if reward.value is None else _worth(reward.value),
        stock=reward.stock,
        per_customer_limit=reward.per_customer_limit,
        starts_at=None if reward.starts_at is None else format_time(reward.starts_at),
        ends_at=None if reward.ends_at is None else format_time(reward.ends_at),
        min_tier=reward.min_tier,
        image_url=reward.image_url,
        metadata=reward.metadata,
        deleted=reward.deleted,
    )


def _worth(value: Value) -> RewardWorth:
    return RewardWorth(
        amount=None if value.amount is None else money(value.amount),
        currency=value.currency,
        percent=None if value.percent is None else str(plain(value.percent)),
    )
