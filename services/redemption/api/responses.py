"""Responses in the shapes of /v1: redemptions, and the rewards of a customer."""

from decimal import Decimal
from typing import TypeVar, cast

from msgspec import UNSET, UnsetType

from libs.contracts import api, rewards
from libs.contracts.events import RewardRef, RewardWorth
from libs.contracts.numbers import plain
from libs.kernel.clock import format_time
from libs.kernel.ids import time_of
from libs.persistence.idempotency import StoredResponse
from services.redemption.domain.redemptions import Redemption
from services.redemption.handlers.rewards import Offer

T = TypeVar("T")


def redeem_response(redemption: Redemption) -> StoredResponse:
    """The response to redeeming, the same however often it is rendered."""
    debit = redemption.debit
    assert debit is not None
    content = rewards.RedeemAnswer(
        id=debit.transaction_id,
        customer_id=redemption.customer_id,
        type="redeem",
        points=-redemption.points,
        reward=RewardRef(redemption.reward_id, redemption.reward_name),
        balance_after=debit.balance_after,
        created_at=debit.created_at,
        redemption_id=redemption.public_id,
        code=redemption.code or UNSET,
    )
    return StoredResponse(201, api.encode(content))


def redemption_response(value: Redemption) -> StoredResponse:
    """The response to cancelling and using."""
    return StoredResponse(200, api.encode(redemption(value)))


def redemption(value: Redemption) -> rewards.Redemption:
    """A redemption; its code is shown once it is confirmed."""
    debit = value.debit
    return rewards.Redemption(
        id=value.public_id,
        customer_id=value.customer_id,
        reward=RewardRef(value.reward_id, value.reward_name),
        points=value.points,
        status=value.status,
        code=UNSET if debit is None else value.code or UNSET,
        transaction_id=UNSET if debit is None else debit.transaction_id,
        created_at=format_time(time_of(str(value.id))),
    )


def offer(value: Offer) -> rewards.RewardForCustomer:
    """A reward as the catalog shows it, and whether the customer can redeem it."""
    event, refusal = value.reward.event, value.refusal
    return rewards.RewardForCustomer(
        id=event.id,
        name=event.name,
        points_cost=event.points_cost,
        # The catalog may publish types that are newer than this service: they are shown as they are.
        type=cast("rewards.RewardType", event.type),
        description=_or_unset(event.description),
        value=UNSET if event.value is None else _value(event.value),
        stock=_or_unset(event.stock),
        stock_left=UNSET if event.stock is None else max(event.stock - value.in_use, 0),
        per_customer_limit=_or_unset(event.per_customer_limit),
        starts_at=_or_unset(event.starts_at),
        ends_at=_or_unset(event.ends_at),
        min_tier=_or_unset(event.min_tier),
        image_url=_or_unset(event.image_url),
        metadata=_or_unset(event.metadata),
        is_active=event.is_active,
        created_at=event.created_at,
        version=event.version,
        available=refusal is None,
        reason=UNSET if refusal is None else refusal.reason or refusal.code,
        missing=UNSET if refusal is None else _or_unset(refusal.missing),
    )


def _value(worth: RewardWorth) -> rewards.RewardValue:
    return rewards.RewardValue(
        amount=worth.amount,
        currency=worth.currency,
        percent=None if worth.percent is None else plain(Decimal(worth.percent)),
    )


def _or_unset(value: T | None) -> T | UnsetType:
    """An unset field is left out of the response."""
    return UNSET if value is None else value
