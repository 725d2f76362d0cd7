"""Redemptions and rewards in the shapes of /v1."""

from decimal import Decimal
from typing import TypeVar, cast

from msgspec import UNSET, UnsetType

from libs.contracts import api, internal
from libs.contracts.events import RewardRef
from libs.contracts.numbers import plain
from libs.contracts.rewards import RedeemAnswer, RewardForCustomer, RewardType, RewardValue
from libs.contracts.rewards import Redemption as ShownRedemption
from libs.kernel.clock import format_time
from libs.kernel.ids import time_of
from libs.persistence.idempotency import StoredResponse
from services.redemption.domain.redemptions import Redemption
from services.redemption.domain.rewards import Reward

T = TypeVar("T")


def redemption_id(redemption: Redemption) -> str:
    return f"rdm_{redemption.id}"


def redeemed(redemption: Redemption) -> StoredResponse:
    """The answer to redeeming: the same whenever it is made."""
    debit = redemption.debit
    assert debit is not None
    shown = RedeemAnswer(
        id=debit.transaction_id,
        customer_id=redemption.customer_id,
        type="redeem",
        points=-redemption.points,
        reward=RewardRef(redemption.reward_id, redemption.reward_name),
        balance_after=debit.balance_after,
        created_at=debit.created_at,
        redemption_id=redemption_id(redemption),
        code=redemption.code or UNSET,
    )
    return StoredResponse(201, api.encode(shown))


def redemption(shown: Redemption) -> ShownRedemption:
    """A redemption and where it stands. A code is shown once there is something to honour."""
    debit = shown.debit
    return ShownRedemption(
        id=redemption_id(shown),
        customer_id=shown.customer_id,
        reward=RewardRef(shown.reward_id, shown.reward_name),
        points=shown.points,
        status=shown.status,
        code=UNSET if debit is None else shown.code or UNSET,
        transaction_id=UNSET if debit is None else debit.transaction_id,
        created_at=format_time(time_of(str(shown.id))),
    )


def answered(shown: Redemption) -> StoredResponse:
    """The answer to a step."""
    return StoredResponse(200, api.encode(redemption(shown)))


def reward_for_customer(
    reward: Reward, *, taken: int, refusal: internal.Refusal | None
) -> RewardForCustomer:
    """A reward as the catalog shows it, and whether the customer can have it."""
    event = reward.shown
    value = event.value
    missing = None if refusal is None else refusal.missing
    return RewardForCustomer(
        id=event.id,
        name=event.name,
        points_cost=event.points_cost,
        # The catalog may know types that are not documented here yet: shown as they are.
        type=cast("RewardType", event.type),
        description=_set(event.description),
        value=UNSET
        if value is None
        else RewardValue(
            amount=value.amount,
            currency=value.currency,
            percent=None if value.percent is None else plain(Decimal(value.percent)),
        ),
        stock=_set(event.stock),
        stock_left=UNSET if event.stock is None else max(event.stock - taken, 0),
        per_customer_limit=_set(event.per_customer_limit),
        starts_at=_set(event.starts_at),
        ends_at=_set(event.ends_at),
        min_tier=_set(event.min_tier),
        image_url=_set(event.image_url),
        metadata=_set(event.metadata),
        is_active=event.is_active,
        created_at=event.created_at,
        available=refusal is None,
        reason=UNSET if refusal is None else refusal.reason or refusal.code,
        missing=_set(missing),
    )


def _set(value: T | None) -> T | UnsetType:
    """Left out while unset."""
    return UNSET if value is None else value
