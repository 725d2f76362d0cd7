"""Each client on the real stack: rewards, redemptions, anomalies, events."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from libs.testing.eventually import eventually
from tests.clients.drivers import Driver
from tests.clients.test_real_stack import Caller, award
from tests.support import PROGRAM, Shop

SHIPPING = {"name": "Free Shipping", "points_cost": 500, "type": "shipping"}
ORDER = {
    "customer_id": "cust_1",
    "total": "50.00",
    "currency": "USD",
    "completed_at": "2026-03-10T12:00:00Z",
}


@pytest.fixture
async def whale(client: Driver, shop: Shop) -> Caller:
    """A client of a store with a program."""
    caller = Caller(client, shop)
    await caller("loyalty.create", **PROGRAM)
    return caller


async def test_a_reward_is_created_updated_retrieved_listed_and_deleted(whale: Caller) -> None:
    reward = await whale("loyalty.rewards.create", **SHIPPING, id="rwd_002", stock=3)
    assert (reward["id"], reward["stock_left"]) == ("rwd_002", 3)
    updated = await whale("loyalty.rewards.update", "rwd_002", points_cost=600, stock=None)
    assert updated["points_cost"] == 600
    assert "stock" not in updated
    assert await whale("loyalty.rewards.retrieve", "rwd_002") == updated
    page = await whale("loyalty.rewards.list")
    assert (page["data"], page["total"]) == ([updated], 1)
    assert await whale("loyalty.rewards.delete", "rwd_002") is None
    assert (await whale.error("loyalty.rewards.retrieve", "rwd_002")).kinds[0] == "NotFound"
    versions = (await whale("loyalty.rewards.versions", "rwd_002", limit=2))["data"]
    assert [(one["version"], one["changed_by"]) for one in versions] == [(3, "test"), (2, "test")]


async def test_the_clients_key_and_the_state_of_the_system(whale: Caller, shop: Shop) -> None:
    key = await whale("key.retrieve")
    assert (key["store_id"], key["prefix"]) == (shop.store_id, shop.key[:16])
    pipeline = await whale("loyalty.pipeline")
    assert pipeline["services"][0]["name"] == "earning"
    assert pipeline["steps"][0]["name"] == "orders"


async def test_an_unavailable_reward_is_listed_with_include_all(whale: Caller) -> None:
    await whale("loyalty.rewards.create", **SHIPPING, is_active=False)
    assert (await whale("loyalty.rewards.list"))["data"] == []
    assert len(await whale.walk("loyalty.rewards.list", include="all")) == 1


async def test_rewards_are_listed_for_a_customer(whale: Caller) -> None:
    await whale("loyalty.rewards.create", **SHIPPING)
    await award(whale, "cust_1", 300)

    async def fetch() -> Any:
        page = await whale("loyalty.rewards.list", customer_id="cust_1")
        assert page["total"] == 1
        return page["data"][0]

    reward = await eventually(fetch)
    assert reward["available"] is False
    assert (reward["reason"], reward["missing"]) == ("insufficient_points", 200)


async def test_a_used_redemption_cannot_be_cancelled(whale: Caller) -> None:
    reward = await whale("loyalty.rewards.create", **SHIPPING)
    await award(whale, "cust_1", 800)
    redeemed = await whale("loyalty.redeem", "cust_1", reward["id"])
    assert (redeemed["type"], redeemed["points"], redeemed["balance_after"]) == (
        "redeem",
        -500,
        300,
    )
    assert redeemed["reward"] == {"id": reward["id"], "name": "Free Shipping"}
    redemption_id = redeemed["redemption_id"]
    redemption = await whale("loyalty.redemptions.retrieve", redemption_id)
    assert (redemption["transaction_id"], redemption["code"]) == (redeemed["id"], redeemed["code"])
    used = await whale("loyalty.redemptions.use", redemption_id)
    assert used["status"] == "used"
    assert await whale("loyalty.redemptions.use", redemption_id) == used
    assert await whale("loyalty.redemptions.use_code", redeemed["code"]) == used
    by_code = await whale("loyalty.redemptions.list", code=redeemed["code"])
    assert by_code["data"] == [used]
    assert (await whale.error("loyalty.redemptions.cancel", redemption_id)).kinds[0] == "Conflict"
    listed = await whale("loyalty.redemptions.list", customer_id="cust_1", status="used")
    assert listed["data"] == [used]


async def test_a_cancelled_redemption_returns_the_points(whale: Caller) -> None:
    reward = await whale("loyalty.rewards.create", **SHIPPING)
    await award(whale, "cust_1", 800)
    redeemed = await whale("loyalty.redeem", "cust_1", reward["id"], points_cost=500)
    await whale("loyalty.redemptions.cancel", redeemed["redemption_id"])

    async def is_returned() -> bool:
        return (await whale("loyalty.get", "cust_1"))["points_balance"] == 800

    await eventually(is_returned)


async def test_a_refused_redemption_names_the_reason(whale: Caller) -> None:
    reward = await whale("loyalty.rewards.create", **SHIPPING)
    ended = await whale("loyalty.rewards.create", **SHIPPING, ends_at="2020-01-01T00:00:00Z")
    await award(whale, "cust_1", 300)
    insufficient = await whale.error("loyalty.redeem", "cust_1", reward["id"])
    assert insufficient.kinds[0] == "InsufficientPoints"
    assert insufficient.members == {"balance": 300, "required": 500, "missing": 200}
    late = await whale.error("loyalty.redeem", "cust_1", ended["id"])
    assert (late.kinds[0], late.members) == ("RewardUnavailable", {"reason": "ended"})
    price = await whale.error("loyalty.redeem", "cust_1", reward["id"], points_cost=1)
    assert price.kinds[0] == "Conflict"


async def test_an_anomaly_is_flagged_reviewed_and_resolved(whale: Caller, shop: Shop) -> None:
    for _ in range(10):
        await shop.earn("cust_1", 500)

    async def fetch() -> Any:
        page = await whale("loyalty.anomalies.list", customer_id="cust_1", type="rapid_earning")
        assert page["total"] == 1
        return page["data"][0]

    anomaly = await eventually(fetch)
    assert anomaly["status"] == "pending_review"
    assert (await whale("loyalty.anomalies.retrieve", anomaly["id"]))["id"] == anomaly["id"]
    claimed = await whale("loyalty.anomalies.update", anomaly["id"], status="in_review")
    unresolved = ["pending_review", "in_review"]
    page = await whale("loyalty.anomalies.list", status=unresolved, order="-points_involved")
    assert page["data"] == [claimed]
    resolved = await whale(
        *("loyalty.anomalies.update", anomaly["id"]),
        status="resolved",
        version=claimed["version"],
        resolution="approved",
        note="A birthday party",
    )
    assert (resolved["status"], resolved["resolution"]) == ("resolved", "approved")
    for resolution, total in (("approved", 1), ("voided", 0)):
        page = await whale("loyalty.anomalies.list", customer_id="cust_1", resolution=resolution)
        assert page["total"] == total
    again = await whale.error(
        "loyalty.anomalies.update", anomaly["id"], status="resolved", resolution="voided"
    )
    assert again.kinds[0] == "Conflict"


async def test_the_detectors_settings_are_read_and_replaced(
    whale: Caller,
) -> None:
    settings = await whale("loyalty.anomaly_settings.get")
    assert settings["rapid_earning"] == {"mode": "review", "count": 10, "window_seconds": 120}
    stricter = {"rapid_earning": {"mode": "shadow", "count": 5, "window_seconds": 60}}
    version = settings["version"]
    replaced = await whale("loyalty.anomaly_settings.update", **stricter, version=version)
    assert replaced["rapid_earning"] == stricter["rapid_earning"]
    assert replaced["deviation"] == settings["deviation"]
    stale = await whale.error("loyalty.anomaly_settings.update", **stricter, version=version)
    assert stale.kinds[0] == "Conflict"


async def test_settings_are_tested_on_history(client: Driver, whale: Caller, shop: Shop) -> None:
    for _ in range(5):
        await shop.earn("cust_1", 500)
    stricter = {"rapid_earning": {"mode": "review", "count": 5, "window_seconds": 60}}
    today = datetime.now(UTC).date()
    days = {"from": str(today - timedelta(days=1)), "to": str(today)}

    async def fetch() -> Any:
        name = "loyalty.anomaly_settings.backtest"
        if client.source == "/clients/js":
            backtest = await whale(name, settings=stricter, **days)
        else:
            backtest = await whale(name, stricter, from_=days["from"], to=days["to"])
        assert backtest["earnings"] == 5
        return backtest

    backtest = await eventually(fetch)
    assert (backtest["from"], backtest["to"]) == (days["from"], days["to"])
    rapid = next(
        detector for detector in backtest["detectors"] if detector["type"] == "rapid_earning"
    )
    assert (rapid["flagged"], rapid["points_involved"]) == (1, 2_500)


async def test_an_order_over_rest_earns_once_and_its_refund_claws_back(
    whale: Caller, shop: Shop
) -> None:
    for _ in range(2):
        response = await whale("events.order_completed", order_id="o1", order_number=1042, **ORDER)
        assert [event["status"] for event in response["data"]] == [202]
    status = await shop.balance_becomes(500)
    assert status["transactions"][0]["reason"] == "Order #1042"
    await whale(
        "events.order_refunded",
        order_id="o1",
        customer_id="cust_1",
        refund_id="r1",
        amount="20.00",
        refunded_at="2026-03-11T12:00:00Z",
    )
    await shop.balance_becomes(300)
    fulfilled = await whale(
        "events.order_fulfilled",
        order_id="o1",
        customer_id="cust_1",
        fulfilled_at="2026-03-12T12:00:00Z",
    )
    assert [event["status"] for event in fulfilled["data"]] == [202]


async def test_a_stores_clock_is_moved_forward(whale: Caller) -> None:
    clock = await whale("loyalty.clock.get")
    assert clock["shifted_by_seconds"] == 0
    moment = datetime.now(UTC) + timedelta(days=400)
    moved = await whale("loyalty.clock.move", moment.isoformat(timespec="milliseconds"))
    assert moved["now"].startswith(moment.isoformat()[:19])
    earlier = await whale.error("loyalty.clock.move", clock["now"])
    assert earlier.kinds[0] == "Conflict"


async def test_an_order_and_its_dead_letter_say_what_became_of_it(
    whale: Caller, shop: Shop
) -> None:
    await whale("events.order_completed", order_id="o1", **ORDER | {"currency": "EUR"})

    async def fetch(state: str) -> Any:
        page = await whale("loyalty.orders.list", order_id="o1", state=state)
        assert page["total"] == 1
        return page["data"][0]

    skipped = await eventually(lambda: fetch("skipped"))
    assert (skipped["skip_reason"], skipped["award"]) == ("other_currency", 0)
    for total in ("50.00", "60.00"):
        await whale("events.order_completed", order_id="o1", **ORDER | {"total": total})
    await shop.balance_becomes(500)

    async def with_letter() -> Any:
        return (await fetch("counted"))["dead_letters"][0]

    letter = await eventually(with_letter)
    assert letter["code"] == "conflict"
    assert [one["id"] for one in await whale.walk("loyalty.dead_letters.list")] == [letter["id"]]
    whole = await whale("loyalty.dead_letters.retrieve", letter["id"])
    assert (whole["order_id"], "60.00" in whole["value"]) == ("o1", True)
    transactions = await whale("loyalty.transactions.list", order_id="o1")
    assert [one["points"] for one in transactions["data"]] == [500]


async def test_letters_are_replayed_and_dropped_and_a_skipped_order_is_checked_again(
    whale: Caller, shop: Shop
) -> None:
    await shop.publish(shop.order("o1", total="-1"))

    async def letter() -> Any:
        (only,) = (await whale("loyalty.dead_letters.list"))["data"]
        return only["id"]

    first = await eventually(letter)
    assert "replayed_at" in await whale("loyalty.dead_letters.replay", first)
    second = await eventually(letter)
    (verdict,) = (await whale("loyalty.dead_letters.replay_many", [second]))["data"]
    assert (verdict["status"], verdict["dead_letter"]["id"]) == (200, second)
    await whale("loyalty.dead_letters.drop", await eventually(letter))
    await whale("events.order_completed", order_id="o2", **ORDER | {"currency": "EUR"})
    await whale(
        "events.order_refunded",
        order_id="o2",
        customer_id="cust_1",
        refund_id="r1",
        refunded_at="2026-03-11T12:00:00Z",
    )

    async def waiting() -> Any:
        (refund,) = await whale.walk("loyalty.refunds.list", state="waiting")
        (order,) = (await whale("loyalty.orders.list", order_id="o2"))["data"]
        return refund, order

    refund, order = await eventually(waiting)
    assert (refund["refund_id"], "skip_detail" in order) == ("r1", True)
    (checked,) = (await whale("loyalty.orders.recheck", ["o2"]))["data"]
    assert (checked["status"], checked["order"]["state"]) == (200, "skipped")


async def test_a_batch_of_events_has_a_result_for_each(whale: Caller, shop: Shop) -> None:
    response = await whale(
        "events.send_batch",
        [
            {"type": "order.completed", "data": {"order_id": "o1", **ORDER}, "id": "evt-1"},
            {"type": "order.completed", "data": {"order_id": "o2"}, "id": "evt-2"},
        ],
    )
    first, second = response["data"]
    assert (first["id"], first["status"]) == ("evt-1", 202)
    assert (second["id"], second["status"]) == ("evt-2", 400)
    assert second["problem"]["code"] == "invalid_request"
    await shop.balance_becomes(500)


async def test_an_invalid_event_is_an_error_with_a_pointer(whale: Caller) -> None:
    invalid = {**ORDER, "order_id": "o1", "total": "-1"}
    error = await whale.error("events.order_completed", **invalid)
    assert error.kinds[0] == "InvalidRequest"
    assert error.members["errors"][0]["pointer"] == "#/data/total"
