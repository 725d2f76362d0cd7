"""The fold of redemptions: the steps they take, and what each refuses."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from libs.contracts.events import RewardChanged
from libs.kernel.errors import Conflict, NotFound, WhaleError
from libs.kernel.ids import uuid7
from services.redemption.domain.desk import Desk, Known, UnknownReward
from services.redemption.domain.redemptions import (
    AbandonCancel,
    BeginCancel,
    Confirm,
    Debit,
    FinishCancel,
    Redemption,
    Release,
    Reserve,
    Use,
)
from services.redemption.domain.rewards import Reward
from tests.unit.redemption.rule_table import rows

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
STORE = "store_1"
REWARD = "rwd_002"

STEPS = {
    "debited": lambda one: Confirm(**one, debit=Debit("txn_1", 3_000, "2026-03-10T12:00:00.000Z")),
    "never debited": lambda one: Release(**one),
    "cancel": lambda one: BeginCancel(**one),
    "points returned": lambda one: FinishCancel(**one),
    "points not returned": lambda one: AbandonCancel(**one),
    "use": lambda one: Use(**one),
}


def reward(**changes: Any) -> Reward:
    event = RewardChanged(
        store_id=STORE,
        id=REWARD,
        version=1,
        name="Free Shipping",
        points_cost=500,
        type="shipping",
        is_active=True,
        created_at="2026-03-10T12:00:00.000Z",
    )
    plain: dict[str, Any] = {
        "store_id": STORE,
        "reward_id": REWARD,
        "version": 1,
        "name": "Free Shipping",
        "points_cost": 500,
        "type": "shipping",
        "is_active": True,
        "deleted": False,
        "stock": None,
        "per_customer_limit": None,
        "starts_at": None,
        "ends_at": None,
        "min_tier": None,
        "created_at": NOON,
        "event": event,
    }
    return Reward(**(plain | changes))


def desk(*, in_use: int = 0, by_customer: int = 0, **changes: Any) -> Desk:
    known = Known(
        rewards={(STORE, REWARD): reward(**changes)},
        usage={(STORE, REWARD): in_use},
        by_customer={(STORE, REWARD, "cust_1"): by_customer},
    )
    return Desk(known)


def reserve(**changes: Any) -> Reserve:
    plain: dict[str, Any] = {
        "id": uuid7(),
        "store_id": STORE,
        "customer_id": "cust_1",
        "reward_id": REWARD,
        "points_cost": None,
        "code": "CODE",
        "claim_key": None,
        "now": NOON,
    }
    return Reserve(**(plain | changes))


def place(redemption: Redemption) -> dict[str, Any]:
    return {"id": redemption.id, "store_id": STORE, "reward_id": REWARD}


def in_state(counter: Desk, status: str) -> Redemption:
    redemption = replace(counter.apply(reserve()), status=status)
    counter._known.redemptions[redemption.id] = redemption
    return redemption


def test_a_reservation_has_the_current_price_and_name() -> None:
    counter = desk(points_cost=700, name="Free Shipping, summer")
    redemption = counter.apply(reserve())
    assert (redemption.points, redemption.reward_name) == (700, "Free Shipping, summer")
    assert redemption.status == "reserved"
    assert counter.usage_updates == {(STORE, REWARD): 1}


@pytest.mark.parametrize(
    ("kind", "code"),
    [("discount", "CODE"), ("shipping", "CODE"), ("credit", "CODE"), ("perk", None)],
)
def test_a_redemption_that_the_shop_fulfills_has_a_code(kind: str, code: str | None) -> None:
    assert desk(type=kind).apply(reserve()).code == code


REFUSALS = [
    pytest.param({"deleted": True}, {}, "not_found", None, id="deleted"),
    pytest.param({"is_active": False}, {}, "reward_unavailable", "inactive", id="inactive"),
    pytest.param(
        {"starts_at": NOON + timedelta(milliseconds=1)},
        {},
        "reward_unavailable",
        "not_started",
        id="not started",
    ),
    pytest.param({"ends_at": NOON}, {}, "reward_unavailable", "ended", id="ended"),
    pytest.param(
        {"per_customer_limit": 1, "by_customer": 1},
        {},
        "reward_unavailable",
        "limit_reached",
        id="limit",
    ),
    pytest.param(
        {"stock": 3, "in_use": 3}, {}, "reward_unavailable", "out_of_stock", id="out of stock"
    ),
    pytest.param({"stock": 0}, {}, "reward_unavailable", "out_of_stock", id="no stock at all"),
    pytest.param({}, {"points_cost": 501}, "conflict", None, id="another price"),
    pytest.param(
        {"is_active": False, "ends_at": NOON, "stock": 0},
        {"points_cost": 1},
        "reward_unavailable",
        "inactive",
        id="the first of several",
    ),
    pytest.param(
        {"stock": 0, "per_customer_limit": 1, "by_customer": 1},
        {},
        "reward_unavailable",
        "limit_reached",
        id="the limit before the stock",
    ),
]


@pytest.mark.parametrize(("state", "action", "code", "reason"), REFUSALS)
def test_a_refusal_says_why_and_reserves_nothing(
    state: dict[str, Any], action: dict[str, Any], code: str, reason: str | None
) -> None:
    counter = desk(**state)
    with pytest.raises(WhaleError) as refused:
        counter.apply(reserve(**action))
    assert (refused.value.code, refused.value.extra.get("reason")) == (code, reason)
    assert (counter.inserts, counter.usage_updates) == ({}, {})


@pytest.mark.parametrize(
    "state",
    [
        {"starts_at": NOON},
        {"ends_at": NOON + timedelta(milliseconds=1)},
        {"stock": 1},
        {"stock": 2, "in_use": 1},
        {"per_customer_limit": 2, "by_customer": 1},
    ],
)
def test_the_last_one_and_the_first_moment_are_available(state: dict[str, Any]) -> None:
    assert desk(**state).apply(reserve()).status == "reserved"


def test_a_batch_sees_what_it_reserved_itself() -> None:
    counter = desk(stock=2, per_customer_limit=1)
    counter.apply(reserve())
    with pytest.raises(WhaleError, match="reached this reward's limit"):
        counter.apply(reserve())
    counter.apply(reserve(customer_id="cust_2"))
    with pytest.raises(WhaleError, match="out of stock"):
        counter.apply(reserve(customer_id="cust_3"))


def test_a_reward_without_an_event_is_unknown() -> None:
    with pytest.raises(UnknownReward):
        desk().apply(reserve(reward_id="rwd_other"))


@pytest.mark.parametrize(("before", "step", "after"), rows())
def test_the_table_of_steps(before: str, step: str, after: str) -> None:
    counter = desk()
    redemption = in_state(counter, before)
    action: Any = STEPS[step](place(redemption))
    if after == "409":
        with pytest.raises(Conflict):
            counter.apply(action)
        assert counter._known.redemptions[redemption.id] == redemption
    else:
        assert counter.apply(action).status == after
    gives_back = before in {"reserved", "confirmed", "cancelling"} and after in {
        "released",
        "cancelled",
    }
    assert counter.usage_updates[STORE, REWARD] == (0 if gives_back else 1)
    assert (redemption.id in counter.updates) == (after not in {before, "409"})


def test_the_result_of_a_request_never_changes() -> None:
    """A batch holds requests about the same redemption: the first one's result is not the last's."""
    counter = desk()
    reserved = counter.apply(reserve())
    released = counter.apply(Release(**place(reserved)))
    assert (reserved.status, released.status) == ("reserved", "released")
    assert counter.inserts[reserved.id].status == "reserved"


def test_another_stores_redemption_does_not_exist() -> None:
    counter = desk()
    redemption = counter.apply(reserve())
    with pytest.raises(NotFound):
        counter.apply(Use(id=redemption.id, store_id="store_2", reward_id=REWARD))
