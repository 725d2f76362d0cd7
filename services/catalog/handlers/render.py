"""Rewards in the shapes of /v1 and of the event."""

from datetime import datetime
from decimal import Decimal
from typing import TypeVar

from msgspec import UNSET, UnsetType

from libs.contracts.events import RewardChanged, RewardWorth
from libs.contracts.numbers import money, plain
from libs.contracts.rewards import Reward as RewardAnswer
from libs.contracts.rewards import RewardValue
from libs.kernel.clock import format_time
from services.catalog.domain import Reward, Value

T = TypeVar("T")


def reward(shown: Reward) -> RewardAnswer:
    """A reward as callers see it."""
    return RewardAnswer(
        id=shown.id,
        name=shown.name,
        points_cost=shown.points_cost,
        type=shown.type,
        description=_set(shown.description),
        value=UNSET if shown.value is None else _value(shown.value),
        stock=_set(shown.stock),
        stock_left=_set(shown.stock_left),
        per_customer_limit=_set(shown.per_customer_limit),
        starts_at=_set(_moment(shown.starts_at)),
        ends_at=_set(_moment(shown.ends_at)),
        min_tier=_set(shown.min_tier),
        image_url=_set(shown.image_url),
        metadata=_set(shown.metadata),
        is_active=shown.is_active,
        created_at=format_time(shown.created_at),
    )


def event(store_id: str, told: Reward) -> RewardChanged:
    """A version of a reward as the world is told of it."""
    return RewardChanged(
        store_id=store_id,
        id=told.id,
        version=told.version,
        name=told.name,
        points_cost=told.points_cost,
        type=told.type,
        is_active=told.is_active,
        created_at=format_time(told.created_at),
        description=told.description,
        value=None if told.value is None else _worth(told.value),
        stock=told.stock,
        per_customer_limit=told.per_customer_limit,
        starts_at=_moment(told.starts_at),
        ends_at=_moment(told.ends_at),
        min_tier=told.min_tier,
        image_url=told.image_url,
        metadata=told.metadata,
        deleted=told.deleted,
    )


def _value(value: Value) -> RewardValue:
    return RewardValue(
        amount=_money(value.amount),
        currency=value.currency,
        percent=None if value.percent is None else plain(value.percent),
    )


def _worth(value: Value) -> RewardWorth:
    return RewardWorth(
        amount=_money(value.amount),
        currency=value.currency,
        percent=None if value.percent is None else str(plain(value.percent)),
    )


def _money(amount: Decimal | None) -> str | None:
    return None if amount is None else money(amount)


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else format_time(moment)


def _set(value: T | None) -> T | UnsetType:
    return UNSET if value is None else value
