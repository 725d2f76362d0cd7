"""What is warned of when a reward is created or changed, at the place of what the request set."""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from libs.contracts.rewards import RewardCreate, RewardPatch
from services.catalog.domain import FIRST_VERSION, Reward, Value, find_warnings

TIERS = ["Silver", "Gold"]
SHIPPING: dict[str, Any] = {"name": "Free Shipping", "points_cost": 500, "type": "shipping"}
DISCOUNT: dict[str, Any] = {**SHIPPING, "type": "discount"}


def reward(**changes: Any) -> Reward:
    created_at = datetime(2026, 3, 10, tzinfo=UTC)
    fields = {"id": "rwd_1", "is_active": True, "created_at": created_at, **DISCOUNT, **changes}
    return Reward(version=FIRST_VERSION, **fields)


TEN_PERCENT = Value(percent=Decimal(10))


@pytest.mark.parametrize(
    ("request_", "result", "tiers", "expected"),
    [
        pytest.param(RewardCreate(**SHIPPING), reward(**SHIPPING), TIERS, [], id="plain"),
        pytest.param(RewardCreate(**DISCOUNT), reward(), TIERS, ["#/value"], id="no value"),
        pytest.param(
            RewardCreate(**DISCOUNT), reward(value=TEN_PERCENT), TIERS, [], id="with a value"
        ),
        pytest.param(
            RewardPatch(type="discount"), reward(), TIERS, ["#/value"], id="made a discount"
        ),
        pytest.param(RewardPatch(value=None), reward(), TIERS, ["#/value"], id="value removed"),
        pytest.param(RewardPatch(name="Ten"), reward(), TIERS, [], id="another field"),
        pytest.param(
            RewardPatch(min_tier="silver"), reward(), TIERS, ["#/min_tier"], id="another case"
        ),
        pytest.param(RewardPatch(min_tier="Gold"), reward(), TIERS, [], id="a tier"),
        pytest.param(RewardPatch(min_tier="Gold"), reward(), [], ["#/min_tier"], id="no tiers"),
        pytest.param(RewardPatch(min_tier="Gold"), reward(), None, [], id="unknown tiers"),
        pytest.param(RewardPatch(min_tier=None), reward(), TIERS, [], id="tier removed"),
        pytest.param(None, reward(deleted=True), TIERS, [], id="deleted"),
    ],
)
def test_what_nobody_can_mean_is_warned_of(
    request_: object, result: Reward, tiers: Sequence[str] | None, expected: list[str]
) -> None:
    warnings = find_warnings(request_, result, tiers)
    assert [warning.pointer for warning in warnings] == expected
