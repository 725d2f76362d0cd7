"""Responses in the shapes of /v1: rewards."""

from collections.abc import Sequence
from typing import Any, TypeVar

from msgspec import UNSET, UnsetType

from libs.contracts import api, rewards
from libs.contracts.api import SettingWarning
from libs.contracts.numbers import money, plain
from libs.kernel.clock import format_time
from libs.persistence.idempotency import StoredResponse
from libs.persistence.pages import Listed
from libs.web import pages
from services.catalog.domain import RecordedVersion, Reward, Value

T = TypeVar("T")


def reward(value: Reward, warnings: Sequence[SettingWarning] = ()) -> rewards.Reward:
    """A reward as callers see it, with the warnings about a change that was made."""
    return rewards.Reward(**_fields(value), warnings=list(warnings) or UNSET)


def version(value: RecordedVersion) -> rewards.RewardVersion:
    """A version of a reward; how much of the stock was left then is not recorded."""
    fields = _fields(value.reward) | {"stock_left": UNSET}
    return rewards.RewardVersion(
        **fields,
        changed_by=_or_unset(value.changed_by),
        changed_at=UNSET if value.changed_at is None else format_time(value.changed_at),
        deleted=value.reward.deleted or UNSET,
    )


def _fields(value: Reward) -> dict[str, Any]:
    return {
        "id": value.id,
        "name": value.name,
        "points_cost": value.points_cost,
        "type": value.type,
        "description": _or_unset(value.description),
        "value": UNSET if value.value is None else _value(value.value),
        "stock": _or_unset(value.stock),
        "stock_left": _or_unset(value.stock_left),
        "per_customer_limit": _or_unset(value.per_customer_limit),
        "starts_at": UNSET if value.starts_at is None else format_time(value.starts_at),
        "ends_at": UNSET if value.ends_at is None else format_time(value.ends_at),
        "min_tier": _or_unset(value.min_tier),
        "image_url": _or_unset(value.image_url),
        "metadata": _or_unset(value.metadata),
        "is_active": value.is_active,
        "created_at": format_time(value.created_at),
        "version": value.version,
    }


def encode_page(page: Listed[Reward]) -> bytes:
    """The body of a page of rewards, as it is cached."""
    return api.encode(pages.page_body(page, [reward(value) for value in page.items]))


def created(value: Reward, warnings: Sequence[SettingWarning]) -> StoredResponse:
    return StoredResponse(201, api.encode(reward(value, warnings)))


def updated(value: Reward, warnings: Sequence[SettingWarning]) -> StoredResponse:
    return StoredResponse(200, api.encode(reward(value, warnings)))


def deleted(_value: Reward, _warnings: Sequence[SettingWarning]) -> StoredResponse:
    return StoredResponse(204, b"")


def _value(value: Value) -> rewards.RewardValue:
    return rewards.RewardValue(
        amount=None if value.amount is None else money(value.amount),
        currency=value.currency,
        percent=None if value.percent is None else plain(value.percent),
    )


def _or_unset(value: T | None) -> T | UnsetType:
    """An unset field is left out of the response."""
    return UNSET if value is None else value
