"""Rewards and their redemptions."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from msgspec import UNSET, UnsetType

from whale_loyalty._operation import (
    Listing,
    Operation,
    listing,
    read,
    segment,
    without_unset,
    write,
)
from whale_loyalty.models import Redemption, Reward, RewardValue, RewardVersion
from whale_loyalty.values import RedemptionStatus, RewardType

_REWARDS = "loyalty/rewards"
_REDEMPTIONS = "loyalty/redemptions"

Value = RewardValue | Mapping[str, Any]
Moment = datetime | str


def list_rewards(
    *,
    customer_id: str | None = None,
    include: str | None = None,
    limit: int | None = None,
    starting_after: str | None = None,
) -> Listing[Reward]:
    """The rewards that are available now, oldest first; all rewards with `include="all"`.

    With `customer_id`, each reward says whether that customer can redeem it, and if not, why.
    """
    return listing(
        _REWARDS,
        Reward,
        get_id=lambda item: item.id,
        customer_id=customer_id,
        include=include,
        limit=limit,
        starting_after=starting_after,
    )


def create(
    *,
    name: str,
    points_cost: int,
    type: RewardType,
    id: str | UnsetType | None = UNSET,
    description: str | UnsetType | None = UNSET,
    value: Value | UnsetType | None = UNSET,
    stock: int | UnsetType | None = UNSET,
    per_customer_limit: int | UnsetType | None = UNSET,
    starts_at: Moment | UnsetType | None = UNSET,
    ends_at: Moment | UnsetType | None = UNSET,
    min_tier: str | UnsetType | None = UNSET,
    image_url: str | UnsetType | None = UNSET,
    metadata: Mapping[str, str] | UnsetType | None = UNSET,
    is_active: bool | UnsetType = UNSET,
    idempotency_key: str | None = None,
) -> Operation[Reward]:
    """Create a reward. `type` is discount, shipping, credit or perk; an `id` starts with `rwd_`."""
    body = without_unset(
        id=id,
        name=name,
        points_cost=points_cost,
        type=type,
        description=description,
        value=value,
        stock=stock,
        per_customer_limit=per_customer_limit,
        starts_at=starts_at,
        ends_at=ends_at,
        min_tier=min_tier,
        image_url=image_url,
        metadata=metadata,
        is_active=is_active,
    )
    return write("POST", _REWARDS, Reward, body=body, idempotency_key=idempotency_key)


def retrieve(reward_id: str) -> Operation[Reward]:
    """One reward."""
    return read(f"{_REWARDS}/{segment(reward_id)}", Reward)


def update(
    reward_id: str,
    *,
    name: str | UnsetType = UNSET,
    points_cost: int | UnsetType = UNSET,
    type: RewardType | UnsetType = UNSET,
    description: str | UnsetType | None = UNSET,
    value: Value | UnsetType | None = UNSET,
    stock: int | UnsetType | None = UNSET,
    per_customer_limit: int | UnsetType | None = UNSET,
    starts_at: Moment | UnsetType | None = UNSET,
    ends_at: Moment | UnsetType | None = UNSET,
    min_tier: str | UnsetType | None = UNSET,
    image_url: str | UnsetType | None = UNSET,
    metadata: Mapping[str, str] | UnsetType | None = UNSET,
    is_active: bool | UnsetType = UNSET,
    version: int | UnsetType = UNSET,
    idempotency_key: str | None = None,
) -> Operation[Reward]:
    """Update a reward. Redemptions keep the name and price that they were made with.

    With `version`, raises Conflict if the reward has another version by now.
    """
    body = without_unset(
        name=name,
        points_cost=points_cost,
        type=type,
        description=description,
        value=value,
        stock=stock,
        per_customer_limit=per_customer_limit,
        starts_at=starts_at,
        ends_at=ends_at,
        min_tier=min_tier,
        image_url=image_url,
        metadata=metadata,
        is_active=is_active,
        version=version,
    )
    path = f"{_REWARDS}/{segment(reward_id)}"
    return write("PATCH", path, Reward, body=body, idempotency_key=idempotency_key)


def delete(reward_id: str, *, idempotency_key: str | None = None) -> Operation[None]:
    """Delete a reward permanently; its id cannot be used again."""
    path = f"{_REWARDS}/{segment(reward_id)}"
    return Operation(
        method="DELETE",
        path=path,
        response_type=None,
        is_write=True,
        idempotency_key=idempotency_key,
    )


def list_versions(
    reward_id: str, *, limit: int | None = None, starting_after: str | None = None
) -> Listing[RewardVersion]:
    """The reward's versions, newest first, also of a deleted one; `starting_after` is a version number."""
    return listing(
        f"{_REWARDS}/{segment(reward_id)}/versions",
        RewardVersion,
        get_id=lambda item: str(item.version),
        limit=limit,
        starting_after=starting_after,
    )


def list_redemptions(
    *,
    customer_id: str | None = None,
    status: RedemptionStatus | None = None,
    code: str | None = None,
    reward_id: str | None = None,
    limit: int | None = None,
    starting_after: str | None = None,
) -> Listing[Redemption]:
    """Redemptions, newest first; with `code`, the redemption with the code that a customer shows."""
    return listing(
        _REDEMPTIONS,
        Redemption,
        get_id=lambda item: item.id,
        customer_id=customer_id,
        status=status,
        code=code,
        reward_id=reward_id,
        limit=limit,
        starting_after=starting_after,
    )


def retrieve_redemption(redemption_id: str) -> Operation[Redemption]:
    """One redemption."""
    return read(f"{_REDEMPTIONS}/{segment(redemption_id)}", Redemption)


def cancel(redemption_id: str, *, idempotency_key: str | None = None) -> Operation[Redemption]:
    """Cancel a redemption and return its points. Repeated, it returns the same redemption."""
    path = f"{_REDEMPTIONS}/{segment(redemption_id)}/cancel"
    return write("POST", path, Redemption, idempotency_key=idempotency_key)


def use(redemption_id: str, *, idempotency_key: str | None = None) -> Operation[Redemption]:
    """Mark a redemption as used. Repeated, it returns the same redemption."""
    path = f"{_REDEMPTIONS}/{segment(redemption_id)}/use"
    return write("POST", path, Redemption, idempotency_key=idempotency_key)


def use_code(code: str, *, idempotency_key: str | None = None) -> Operation[Redemption]:
    """Mark the redemption with this code as used. Raises NotFound for a code of no redemption; its
    message says whether the code is mistyped."""
    path = f"{_REDEMPTIONS}/use"
    body = {"code": code}
    return write("POST", path, Redemption, body=body, idempotency_key=idempotency_key)
