"""Each client on the real stack: programs, awards, customers, transactions, and errors."""

from decimal import Decimal
from typing import Any

import pytest

from libs.testing.eventually import eventually
from tests.clients.drivers import Driver, Failure, Settings
from tests.support import PROGRAM, Shop


class Caller:
    """A client with a store's key."""

    def __init__(self, client: Driver, shop: Shop) -> None:
        self._client = client
        self._settings = Settings(shop.stack.gateway, api_key=shop.key)

    async def __call__(self, name: str, /, *args: Any, **fields: Any) -> Any:
        """The value that a call returns."""
        outcome = await self._client.call(self._settings, name, *args, **fields)
        assert outcome.error is None, outcome.error.message
        return outcome.value

    async def error(self, name: str, /, *args: Any, **fields: Any) -> Failure:
        """The error that a call raises."""
        outcome = await self._client.call(self._settings, name, *args, **fields)
        assert outcome.error is not None, outcome.value
        return outcome.error

    async def walk(self, name: str, /, **fields: Any) -> Any:
        """All items of a list."""
        outcome = await self._client.walk(self._settings, name, **fields)
        assert outcome.error is None, outcome.error.message
        return outcome.value


@pytest.fixture
def whale(client: Driver, shop: Shop) -> Caller:
    return Caller(client, shop)


async def award(whale: Caller, customer: str, points: int) -> Any:
    return await whale("loyalty.earn", customer, points=points, reason="Birthday bonus")


async def test_a_program_is_created_updated_retrieved_and_listed(whale: Caller) -> None:
    planned = await whale("programs.preview_new", **PROGRAM)
    assert [tier["points_after"] for tier in planned["tiers"]] == [1_000, 1_500, 2_000, 3_000]
    program = await whale("programs.create", **PROGRAM)
    assert program["tiers"][1]["name"] == "Silver"
    assert program["version"] == 1
    preview = await whale("programs.preview", program["id"], points_per_dollar=15)
    assert preview["tiers"][1] == {
        "name": "Silver",
        "points_before": 1_500,
        "points_after": 2_250,
        "customers_before": 0,
        "customers_after": 0,
    }
    updated = await whale("programs.update", program["id"], points_per_dollar=15, version=1)
    assert Decimal(updated["points_per_dollar"]) == 15
    lost = await whale.error("programs.update", program["id"], name="Club", version=1)
    assert lost.kinds[0] == "Conflict"
    versions = await whale("programs.versions", program["id"])
    assert [(one["version"], one["changed_by"]) for one in versions["data"]] == [
        (2, "test"),
        (1, "test"),
    ]
    assert await whale("programs.retrieve", program["id"]) == updated
    listed = await whale("programs.list")
    assert listed["data"] == [updated]
    assert listed["total"] == 1


async def test_settings_of_expiry_are_sent_and_removed(whale: Caller) -> None:
    settings = {
        "time_zone": "Europe/Berlin",
        "expiry": {"kind": "after", "months": 12, "returned_days": 0},
        "remind_days": [30, 7],
        "pending": {"days": 0, "from": "fulfilled"},
    }
    program = await whale("programs.create", **PROGRAM, **settings)
    assert {name: program[name] for name in settings} == settings
    changed = await whale("programs.update", program["id"], expiry=None, pending={"days": 14})
    assert "expiry" not in changed
    assert (changed["pending"], changed["remind_days"]) == ({"days": 14}, [30, 7])


async def test_an_exact_rate_stays_exact(whale: Caller) -> None:
    program = await whale("programs.create", name="Exact", points_per_dollar="2.123456")
    assert Decimal(str(program["points_per_dollar"])) == Decimal("2.123456")


async def test_points_are_earned_and_adjusted(whale: Caller) -> None:
    await whale("programs.create", **PROGRAM)
    earned = await award(whale, "cust_1", 6_000)
    assert (earned["type"], earned["points"], earned["balance_after"]) == ("earn", 6_000, 6_000)
    adjusted = await whale("loyalty.adjust", "cust_1", points=-1_000, reason="Miscounted")
    assert adjusted["balance_after"] == 5_000
    status = await whale("customers.retrieve", "cust_1")
    assert (status["points_balance"], status["lifetime_points"]) == (5_000, 6_000)
    assert status["tier"]["name"] == "Silver"
    assert [transaction["type"] for transaction in status["transactions"]] == ["adjust", "earn"]
    assert await whale("loyalty.transactions.retrieve", earned["id"]) == earned


async def test_a_write_repeated_with_its_key_takes_effect_once(whale: Caller) -> None:
    await whale("programs.create", **PROGRAM)
    fields = {"points": 500, "reason": "Birthday bonus", "idempotency_key": "birthday"}
    first = await whale("loyalty.earn", "cust_1", **fields)
    assert await whale("loyalty.earn", "cust_1", **fields) == first
    reused = await whale.error("loyalty.earn", "cust_2", **fields)
    assert reused.kinds[0] == "IdempotencyKeyReused"
    assert reused.idempotency_key == "birthday"


async def test_a_batch_has_a_result_for_each_award(whale: Caller) -> None:
    await whale("programs.create", **PROGRAM)
    items = [
        {"customer_id": "cust_1", "points": 200, "reason": "Spring promotion"},
        {"customer_id": "cust_2", "points": 0, "reason": "Spring promotion"},
    ]
    first, second = (await whale("loyalty.earn_batch", items))["data"]
    assert (first["status"], first["transaction"]["points"]) == (201, 200)
    assert (second["status"], second["problem"]["code"]) == (400, "invalid_request")


async def test_customers_are_listed_suspended_and_reactivated(whale: Caller) -> None:
    await whale("programs.create", **PROGRAM)
    for number in range(3):
        await award(whale, f"cust_{number}", 100)
    suspended = await whale("customers.update", "cust_1", status="suspended")
    assert suspended["status"] == "suspended"
    refused = await whale.error("loyalty.earn", "cust_1", points=1, reason="x")
    assert refused.kinds[:2] == ["AccountSuspended", "Refused"]
    listed = await whale("customers.list", status="suspended")
    assert [customer["customer_id"] for customer in listed["data"]] == ["cust_1"]
    everyone = await whale.walk("customers.list", limit=2)
    assert [customer["customer_id"] for customer in everyone] == ["cust_0", "cust_1", "cust_2"]
    await whale("customers.update", "cust_1", status="active", note="All is well")
    assert (await whale("customers.retrieve", "cust_1"))["status"] == "active"


async def test_transactions_are_listed_over_several_pages(whale: Caller) -> None:
    await whale("programs.create", **PROGRAM)
    ids = [(await award(whale, "cust_1", points))["id"] for points in (1, 2, 3, 4, 5)]
    await whale("loyalty.adjust", "cust_1", points=1, reason="Not an award")
    page = await whale("loyalty.transactions.list", type="earn", limit=2)
    assert ([transaction["id"] for transaction in page["data"]], page["total"]) == (ids[:-3:-1], 5)
    assert page["has_more"] is True
    walked = await whale.walk("loyalty.transactions.list", type="earn", limit=2)
    assert [transaction["id"] for transaction in walked] == ids[::-1]
    events = {
        "customer_id": "cust_1",
        "order": "occurred_at",
        "occurred_after": "2026-01-01T00:00:00Z",
    }
    selection = await whale.walk("loyalty.transactions.list", ids=ids[1:4], limit=2, **events)
    assert [transaction["id"] for transaction in selection] == ids[1:4]


async def test_the_summary_is_decoded(whale: Caller) -> None:
    await whale("programs.create", **PROGRAM)
    await award(whale, "cust_1", 100)

    async def is_folded() -> None:
        summary = await whale("loyalty.summary")
        assert set(summary) >= {"days", "points_outstanding", "customers", "tiers"}
        (day,) = summary["days"]
        assert (day["outstanding"], day["joined"]) == (100, 1)
        assert day["date"] == summary["first_day"] == summary["last_day"]

    await eventually(is_folded)


async def test_an_invalid_request_lists_all_invalid_values(whale: Caller) -> None:
    error = await whale.error("loyalty.earn", "a b", points=0, reason="")
    assert error.kinds[0] == "InvalidRequest"
    assert error.status == 400
    pointers = [value["pointer"] for value in error.members["errors"]]
    assert sorted(pointers) == ["#/customer_id", "#/points", "#/reason"]


async def test_insufficient_points_say_how_many_are_missing(whale: Caller) -> None:
    await whale("programs.create", **PROGRAM)
    await award(whale, "cust_1", 300)
    error = await whale.error("loyalty.adjust", "cust_1", points=-500, reason="Too much")
    assert error.kinds[0] == "InsufficientPoints"
    assert error.members == {"balance": 300, "required": 500, "missing": 200}


async def test_unknown_objects_and_a_store_without_a_program_are_errors(whale: Caller) -> None:
    assert (await whale.error("customers.retrieve", "cust_nobody")).kinds[0] == "NotFound"
    assert (await whale.error("programs.retrieve", "loy_1")).kinds[0] == "NotFound"
    error = await whale.error("loyalty.earn", "cust_1", points=1, reason="x")
    assert error.kinds[0] == "ProgramInactive"


async def test_an_unknown_key_is_refused(client: Driver, shop: Shop) -> None:
    settings = Settings(shop.stack.gateway, api_key="wk_live_" + "x" * 43)
    outcome = await client.call(settings, "customers.retrieve", "cust_1")
    assert outcome.error is not None
    assert outcome.error.kinds[0] == "Unauthenticated"


async def test_a_missing_scope_is_named(client: Driver, shop: Shop) -> None:
    settings = Settings(shop.stack.gateway, api_key=await shop.stack.key(shop.store_id, "read"))
    outcome = await client.call(settings, "loyalty.earn", "cust_1", points=1, reason="x")
    assert outcome.error is not None
    assert outcome.error.kinds[0] == "InsufficientScope"
    assert outcome.error.members["required"] == "earn"


async def test_the_request_id_is_the_instance_of_the_problem(shop: Shop) -> None:
    response = await shop.call("GET", "loyalty/customers/x", headers={"X-Request-Id": "req_mine"})
    assert response.json["instance"] == "req_mine"
