"""Redeeming as shops do it: the documentation's example, codes, previews, each refusal."""

from typing import Any

from libs.testing.eventually import eventually
from services.redemption.domain.codes import make_code, read_code
from tests.e2e.test_once_in_effect import audit
from tests.redeeming import books_are_exact, give_reward, key, redeem
from tests.support import Shop


async def test_the_documentations_example(rich: Shop) -> None:
    reward = await give_reward(rich)
    response = await redeem(rich, reward["id"])
    assert response.status == 201
    redeemed = response.json
    assert list(redeemed) == [
        *("id", "customer_id", "type", "points", "reward", "balance_after", "created_at"),
        *("redemption_id", "code"),
    ]
    assert redeemed["id"].startswith("txn_")
    assert (redeemed["type"], redeemed["points"], redeemed["balance_after"]) == (
        *("redeem", -500, 3_000),
    )
    assert redeemed["reward"] == {"id": reward["id"], "name": "Free Shipping"}
    assert read_code(redeemed["code"]) == redeemed["code"]
    status = await rich.status()
    assert (status["points_balance"], status["lifetime_points"]) == (3_000, 3_500)
    newest = status["transactions"][0]
    assert (newest["id"], newest["reason"]) == (redeemed["id"], "Free Shipping")
    listed = await rich.call("GET", f"loyalty/transactions/{redeemed['id']}")
    assert listed.json["reward"] == redeemed["reward"]
    assert listed.json["redemption_id"] == redeemed["redemption_id"]
    ((event, headers),) = await rich.read_events("points.redeemed", count=1)
    assert (event["transaction_id"], event["redemption_id"]) == (
        *(redeemed["id"], redeemed["redemption_id"]),
    )
    assert headers["ce_id"] == redeemed["id"]
    assert await books_are_exact(rich.stack, rich.store_id) == {"confirmed": 1}


async def test_a_redemption_can_be_read_listed_used_or_cancelled(rich: Shop) -> None:
    reward = await give_reward(rich)
    used, cancelled = [(await redeem(rich, reward["id"])).json for _ in range(2)]
    path = f"loyalty/redemptions/{used['redemption_id']}"
    offer = (await rich.call("GET", path)).json
    assert offer == {
        "id": used["redemption_id"],
        "customer_id": "cust_1",
        "reward": used["reward"],
        "points": 500,
        "status": "confirmed",
        "code": used["code"],
        "transaction_id": used["id"],
        "created_at": offer["created_at"],
    }
    for _ in range(2):
        response = await rich.call("POST", f"{path}/use")
        assert (response.status, response.json) == (200, offer | {"status": "used"})
    other = f"loyalty/redemptions/{cancelled['redemption_id']}"
    for _ in range(2):
        response = await rich.call("POST", f"{other}/cancel", {})
        assert (response.status, response.json["status"]) == (200, "cancelled")
    assert (await rich.status())["points_balance"] == 3_000
    assert [one["type"] for one in (await rich.status())["transactions"]] == [
        *("cancel", "redeem", "redeem", "earn"),
    ]
    for step in (f"{path}/cancel", f"{other}/use"):
        response = await rich.call("POST", step)
        assert (response.status, response.json["code"]) == (409, "conflict")
    ids = [one["id"] for one in (await rich.call("GET", "loyalty/redemptions")).json["data"]]
    assert ids == [cancelled["redemption_id"], used["redemption_id"]]
    page = (await rich.call("GET", f"loyalty/redemptions?limit=1&starting_after={ids[0]}")).json
    assert ([one["id"] for one in page["data"]], page["has_more"], page["total"]) == (
        *([ids[1]], False, 2),
    )
    only = (await rich.call("GET", "loyalty/redemptions?status=used&customer_id=cust_1")).json
    assert [one["id"] for one in only["data"]] == [used["redemption_id"]]
    await books_are_exact(rich.stack, rich.store_id)
    await audit(rich.stack, rich.store_id)


async def refused(shop: Shop, reward_id: str, customer_id: str = "cust_1", **more: Any) -> Any:
    """(status, code, reason) of a refusal, which leaves the balance as it was."""
    response = await redeem(shop, reward_id, customer_id, **more)
    problem = response.json
    return response.status, problem["code"], problem.get("reason")


async def test_each_refusal_in_its_order(rich: Shop) -> None:
    """Each reward has its own fault and all those that are checked after it."""
    poor = {"points_cost": 10_000, "min_tier": "Gold"}
    deleted = await give_reward(rich, **poor)
    await rich.call("DELETE", f"loyalty/rewards/{deleted['id']}")
    inactive = await give_reward(rich, **poor, stock=0, is_active=False)
    early = await give_reward(rich, **poor, stock=0, starts_at="2999-01-01T00:00:00Z")
    ended = await give_reward(rich, **poor, stock=0, ends_at="2000-01-01T00:00:00Z")
    none_left = await give_reward(rich, **poor, stock=0)
    plain = await give_reward(rich, **poor)
    gold = await give_reward(rich, points_cost=10_000, min_tier="Gold")
    dear = await give_reward(rich, points_cost=10_000)
    once = await give_reward(rich, per_customer_limit=1, points_cost=1)
    assert (await redeem(rich, once["id"])).status == 201

    async def deleted_is_known() -> None:
        assert await refused(rich, deleted["id"]) == (404, "not_found", None)

    await eventually(deleted_is_known)
    assert await refused(rich, "rwd_nobody_made") == (404, "not_found", None)
    unavailable = (409, "reward_unavailable")
    assert await refused(rich, inactive["id"], "nobody") == (*unavailable, "inactive")
    assert await refused(rich, early["id"], "nobody") == (*unavailable, "not_started")
    assert await refused(rich, ended["id"], "nobody") == (*unavailable, "ended")
    assert await refused(rich, once["id"]) == (*unavailable, "limit_reached")
    assert await refused(rich, none_left["id"], "nobody", points_cost=1) == (
        *(*unavailable, "out_of_stock"),
    )
    assert await refused(rich, plain["id"], "nobody", points_cost=1) == (409, "conflict", None)
    assert await refused(rich, plain["id"], "nobody") == (*unavailable, "tier_required")
    newcomer = (await redeem(rich, dear["id"], "nobody")).json
    assert (newcomer["code"], newcomer["balance"], newcomer["missing"]) == (
        *("insufficient_points", 0, 10_000),
    )
    assert await rich.status("nobody") is None
    assert await refused(rich, gold["id"]) == (*unavailable, "tier_required")
    problem = (await redeem(rich, dear["id"])).json
    assert (problem["code"], problem["balance"], problem["required"], problem["missing"]) == (
        *("insufficient_points", 3_499, 10_000, 6_501),
    )
    await rich.call("PATCH", "loyalty/customers/cust_1", {"status": "suspended"})
    assert await refused(rich, gold["id"]) == (409, "account_suspended", None)
    (program,) = (await rich.call("GET", "loyalty-programs")).json["data"]
    await rich.call("PATCH", f"loyalty-programs/{program['id']}", {"is_active": False})
    assert await refused(rich, gold["id"]) == (409, "program_inactive", None)
    assert (await rich.status())["points_balance"] == 3_499
    assert (await books_are_exact(rich.stack, rich.store_id))["confirmed"] == 1


async def test_the_preview_agrees_with_redeeming(rich: Shop) -> None:
    rewards = [
        await give_reward(rich),
        await give_reward(rich, points_cost=10_000),
        await give_reward(rich, min_tier="Gold"),
        await give_reward(rich, stock=1),
        await give_reward(rich, per_customer_limit=1),
        await give_reward(rich, is_active=False),
        await give_reward(rich, starts_at="2999-01-01T00:00:00Z"),
    ]
    for one in rewards[3:5]:
        assert (await redeem(rich, one["id"])).status == 201
    for place, reward in enumerate(rewards):
        listed = await rich.call("GET", "loyalty/rewards?customer_id=cust_1&include=all")
        assert [one["id"] for one in listed.json["data"]] == [one["id"] for one in rewards]
        offer = listed.json["data"][place]
        assert {name: offer[name] for name in reward if name != "stock_left"} == {
            name: reward[name] for name in reward if name != "stock_left"
        }
        response = await redeem(rich, offer["id"], headers=key(f"try {offer['id']}"))
        assert offer["available"] == (response.status == 201), offer
        if not offer["available"]:
            problem = response.json
            assert offer["reason"] == problem.get("reason", problem["code"])
            assert offer.get("missing") == problem.get("missing")
    now = (await rich.call("GET", "loyalty/rewards?customer_id=cust_1")).json
    ids = [one["id"] for one in rewards]
    assert [one["id"] for one in now["data"]] == [*ids[:3], ids[4]]
    newcomer = (await rich.call("GET", "loyalty/rewards?customer_id=nobody")).json["data"]
    assert [(one["available"], one["reason"], one.get("missing")) for one in newcomer] == [
        (False, "insufficient_points", 500),
        (False, "insufficient_points", 10_000),
        (False, "tier_required", None),
        (False, "insufficient_points", 500),
    ]
    assert await rich.status("nobody") is None


async def test_a_list_of_one_reward_says_how_often_it_was_used(rich: Shop) -> None:
    rewards = [await give_reward(rich, name=name, points_cost=10) for name in ("A", "B")]
    for reward in (rewards[0], rewards[0], rewards[1]):
        assert (await redeem(rich, reward["id"])).status == 201
    path = f"loyalty/redemptions?limit=1&reward_id={rewards[0]['id']}"
    listed = (await rich.call("GET", path)).json
    assert (listed["total"], listed["has_more"]) == (2, True)
    second = await rich.call("GET", f"{path}&starting_after={listed['data'][0]['id']}")
    assert [one["reward"]["name"] for one in second.json["data"]] == ["A"]
    of_b = (await rich.call("GET", f"loyalty/redemptions?reward_id={rewards[1]['id']}")).json
    wrong = f"{path}&starting_after={of_b['data'][0]['id']}"
    assert (await rich.call("GET", wrong)).status == 400
    assert (await rich.call("GET", "loyalty/redemptions?reward_id=rwd_none")).json["total"] == 0


async def test_a_redemption_is_found_and_used_by_its_code(rich: Shop) -> None:
    reward = await give_reward(rich)
    redeemed = (await redeem(rich, reward["id"])).json
    await redeem(rich, reward["id"])
    typed = redeemed["code"].lower().replace("-", " ")
    (listed,) = (await rich.call("GET", f"loyalty/redemptions?code={typed}")).json["data"]
    assert (listed["id"], listed["code"]) == (redeemed["redemption_id"], redeemed["code"])
    body = {"code": typed}
    used = await rich.call("POST", "loyalty/redemptions/use", body, headers=key("till"))
    assert (used.status, used.json["id"], used.json["status"]) == (200, listed["id"], "used")
    again = await rich.call("POST", "loyalty/redemptions/use", body, headers=key("till"))
    assert (again.raw, again.headers["Idempotency-Hit"]) == (used.raw, "true")
    assert (await rich.call("GET", f"loyalty/redemptions/{listed['id']}")).json == used.json


async def test_a_wrong_code_finds_nothing_and_says_if_it_is_mistyped(rich: Shop) -> None:
    reward = await give_reward(rich)
    redeemed = (await redeem(rich, reward["id"])).json
    mistyped = ("0" if redeemed["code"][0] != "0" else "1") + redeemed["code"][1:]
    unknown = make_code(1)
    other_store = await rich.stack.key(f"{rich.store_id}_other")
    for code, detail in ((mistyped, "is not a code"), (unknown, "No redemption in this store")):
        refusal = await rich.call("POST", "loyalty/redemptions/use", {"code": code})
        assert (refusal.status, refusal.json["code"]) == (404, "not_found")
        assert detail in refusal.json["detail"]
        assert (await rich.call("GET", f"loyalty/redemptions?code={code}")).json["data"] == []
    body = {"code": redeemed["code"]}
    foreign = await rich.call("POST", "loyalty/redemptions/use", body, key=other_store)
    assert foreign.status == 404
    path = f"loyalty/redemptions?code={redeemed['code']}"
    assert (await rich.call("GET", path, key=other_store)).json["total"] == 0
    assert (await rich.call("GET", path)).json["data"][0]["status"] == "confirmed"


async def test_the_preview_comes_in_pages_of_available_rewards(rich: Shop) -> None:
    rewards = [
        await give_reward(rich),
        await give_reward(rich, is_active=False),
        await give_reward(rich, stock=0),
        await give_reward(rich, ends_at="2000-01-01T00:00:00Z"),
        await give_reward(rich, starts_at="2999-01-01T00:00:00Z"),
        await give_reward(rich, starts_at="2000-01-01T00:00:00Z", stock=1),
    ]
    ids = [one["id"] for one in rewards]
    for include, expected in (("", [ids[0], ids[5]]), ("&include=all", ids)):
        seen: list[str] = []
        after = ""
        while True:
            path = f"loyalty/rewards?customer_id=cust_1&limit=1{include}{after}"
            page = (await rich.call("GET", path)).json
            assert page["total"] == len(expected)
            seen += [one["id"] for one in page["data"]]
            if not page["has_more"]:
                break
            after = f"&starting_after={seen[-1]}"
        assert seen == expected
    unknown = await rich.call("GET", "loyalty/rewards?customer_id=cust_1&starting_after=rwd_none")
    assert (unknown.status, unknown.json["code"]) == (400, "invalid_request")


async def test_refused_attempts_are_listed_only_on_request(rich: Shop) -> None:
    reward = await give_reward(rich)
    redeemed = (await redeem(rich, reward["id"])).json["redemption_id"]
    dear = await give_reward(rich, points_cost=4_000)
    for _ in range(5):
        assert (await redeem(rich, dear["id"])).json["code"] == "insufficient_points"
    for query in ("", "?customer_id=cust_1", "?status=confirmed"):
        listed = (await rich.call("GET", f"loyalty/redemptions{query}")).json
        assert ([one["id"] for one in listed["data"]], listed["total"]) == ([redeemed], 1)
    released = (await rich.call("GET", "loyalty/redemptions?status=released&limit=1")).json
    assert (released["data"][0]["status"], released["total"]) == ("released", 5)
    page = f"loyalty/redemptions?starting_after={released['data'][0]['id']}"
    assert [one["id"] for one in (await rich.call("GET", page)).json["data"]] == [redeemed]
