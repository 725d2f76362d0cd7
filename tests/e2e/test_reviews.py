"""Anomalies are reviewed on the real stack, and the ledger carries out the resolution."""

import asyncio
from typing import Any

from libs.contracts.topics import ANOMALY_RESOLVED
from libs.testing.eventually import eventually
from tests.flagging import (
    earned,
    flagged,
    list_anomalies,
    patch,
    publish,
    wait_for_descriptions,
    wait_until_judged,
)
from tests.support import Shop


async def test_a_replay_after_a_review_changes_nothing(shop: Shop) -> None:
    """Approved earnings are normal for the earnings that follow, not for those before."""
    events = [earned(shop, "cust_1", 500, n * 600) for n in range(5)]
    events += [earned(shop, "cust_1", 9_000, 4_000 + n * 600) for n in range(7)]
    await publish(shop, *events)
    await wait_until_judged(shop)
    anomalies = await list_anomalies(shop, "&customer_id=cust_1")
    assert len(anomalies) == 7
    for one in anomalies[1:]:
        response = await patch(shop, one, {"status": "resolved", "resolution": "approved"})
        assert response.status == 200
    before = await list_anomalies(shop, "&customer_id=cust_1")
    await publish(shop, *events)
    await wait_until_judged(shop)
    assert await list_anomalies(shop, "&customer_id=cust_1") == before


async def test_voiding_claws_back_the_remainder_once(shop: Shop) -> None:
    await shop.program()
    for _ in range(5):
        await shop.earn("cust_1", 100)
    await shop.earn("cust_1", 2_000)
    for _ in range(4):
        await shop.earn("cust_1", 100)
    burst, single = await eventually(lambda: both(shop))
    assert burst["points_involved"] == 2_900
    await shop.balance_becomes(2_900)

    # The large one of the ten awards is in both anomalies, and is clawed back once.
    response = await patch(shop, single, {"status": "resolved", "resolution": "voided"})
    assert (response.status, response.json["resolution"]) == (200, "voided")
    await shop.balance_becomes(900)
    await patch(shop, burst, {"status": "resolved", "resolution": "voided", "note": "A script"})
    status = await shop.balance_becomes(0)
    assert status["lifetime_points"] == 0

    # Delivered again, it changes nothing.
    resolved = await shop.read_events(ANOMALY_RESOLVED, count=2)
    for event, _ in resolved:
        await shop.publish(event, topic=ANOMALY_RESOLVED)
    await shop.earn("cust_1", 7)
    await shop.balance_becomes(7)
    await asyncio.sleep(0.5)
    await shop.balance_becomes(7)
    voids = await shop.call("GET", "loyalty/transactions?type=void")
    assert [(one["points"], one["anomaly_id"]) for one in voids.json["data"]] == [
        (-900, burst["id"]),
        (-2_000, single["id"]),
    ]
    earned = (await shop.call("GET", "loyalty/transactions?type=earn")).json["data"]
    assert [(one["points"], one["clawed_back"]) for one in earned] == [
        (7, 0),
        *[(100, 100)] * 4,
        (2_000, 2_000),
        *[(100, 100)] * 5,
    ]


async def both(shop: Shop) -> list[Any]:
    anomalies = sorted(await list_anomalies(shop), key=lambda one: one["type"])
    assert [one["type"] for one in anomalies] == ["rapid_earning", "unusual_amount"]
    assert anomalies[0]["description"].startswith("10 ")
    return anomalies


async def test_suspending_suspends_the_account(shop: Shop) -> None:
    await shop.program()
    for _ in range(10):
        await shop.earn("cust_1", 10)
    (anomaly,) = await wait_for_descriptions(shop, "10 point transactions in 1 minute")
    response = await patch(shop, anomaly, {"status": "resolved", "resolution": "suspended"})
    assert response.status == 200, response.raw

    async def suspended() -> None:
        assert (await shop.status())["status"] == "suspended"

    await eventually(suspended)
    assert (await shop.earn("cust_1", 10)).json["code"] == "account_suspended"
    assert (await shop.status())["points_balance"] == 100


async def test_an_anomaly_goes_from_pending_to_in_review_to_resolved(shop: Shop) -> None:
    anomaly = await flagged(shop)
    in_review = await patch(shop, anomaly, {"status": "in_review", "note": "Looks like a script"})
    assert (in_review.status, in_review.json["status"]) == (200, "in_review")
    assert (in_review.json["reviewed_by"], in_review.json["note"]) == (
        "test",
        "Looks like a script",
    )
    assert "reviewer" not in in_review.json
    decision = {"status": "resolved", "resolution": "approved", "reviewer": "Ada Lovelace"}
    resolved = await patch(shop, anomaly, decision)
    assert resolved.json["resolution"] == "approved"
    assert (resolved.json["reviewed_by"], resolved.json["reviewer"]) == ("test", "Ada Lovelace")
    assert resolved.json["resolved_at"].endswith("Z")
    got = await shop.call("GET", f"loyalty/anomalies/{anomaly['id']}")
    assert got.json == resolved.json
    assert await list_anomalies(shop, "&status=resolved") == [resolved.json]
    assert await list_anomalies(shop, "&status=pending_review") == []
    ((event, headers),) = await shop.read_events(ANOMALY_RESOLVED, count=1)
    assert headers["ce_id"] == f"{anomaly['id']}:{event['version']}"
    assert (event["resolution"], event["reviewer"]) == ("approved", "Ada Lovelace")


async def test_a_claim_is_given_up_and_the_anomaly_waits_again(shop: Shop) -> None:
    anomaly = await flagged(shop)
    assert anomaly["updated_at"] == anomaly["flagged_at"]
    refused = await patch(shop, anomaly, {"status": "pending_review"})
    assert (refused.status, refused.json["code"]) == (409, "conflict")
    claimed = (await patch(shop, anomaly, {"status": "in_review", "reviewer": "Ada"})).json
    assert (claimed["reviewed_by"], claimed["version"]) == ("test", anomaly["version"] + 1)
    assert claimed["in_review_at"] == claimed["updated_at"] > anomaly["flagged_at"]
    free = (await patch(shop, anomaly, {"status": "pending_review"})).json
    assert (free["status"], free["version"]) == ("pending_review", claimed["version"] + 1)
    assert not {"reviewed_by", "reviewer", "in_review_at"} & set(free)
    assert await list_anomalies(shop, "&status=pending_review,in_review") == [free]


async def test_nobody_decides_on_a_burst_that_grew(shop: Shop) -> None:
    seen = await flagged(shop)
    await publish(shop, earned(shop, "cust_1", 100, 10))
    (grown,) = await wait_for_descriptions(shop, "11 point transactions in 1 minute")
    decision = {"status": "resolved", "resolution": "voided", "version": seen["version"]}
    refused = await patch(shop, seen, decision)
    assert (refused.status, refused.json["code"]) == (409, "conflict")
    assert f"its version is {grown['version']}" in refused.json["detail"]
    decided = await patch(shop, seen, decision | {"version": grown["version"]})
    assert (decided.status, decided.json["status"]) == (200, "resolved")


async def test_anomalies_are_listed_in_three_orders_and_by_the_time_of_the_flag(shop: Shop) -> None:
    # The sum of the second does not fit into 32 bits.
    points = {"cust_1": 50, "cust_2": 300_000_000, "cust_3": 100}
    rapid = "&type=rapid_earning"
    for customer, each in points.items():
        await publish(shop, *(earned(shop, customer, each, n) for n in range(10)))

        async def is_flagged(customer: str = customer) -> None:
            assert await list_anomalies(shop, f"&customer_id={customer}{rapid}")

        await eventually(is_flagged)

    async def customers(query: str) -> list[str]:
        """Page by page, so that each order also proves its cursor."""
        order: list[str] = []
        after = ""
        while True:
            response = await shop.call("GET", f"loyalty/anomalies?limit=1{rapid}{after}{query}")
            assert response.status == 200, response.raw
            order += [one["customer_id"] for one in response.json["data"]]
            if not response.json["has_more"]:
                return order
            after = f"&starting_after={response.json['data'][-1]['id']}"

    assert await customers("") == ["cust_3", "cust_2", "cust_1"]
    assert await customers("&order=flagged_at") == ["cust_1", "cust_2", "cust_3"]
    assert await customers("&order=-points_involved") == ["cust_2", "cust_3", "cust_1"]
    (second,) = await list_anomalies(shop, f"&customer_id=cust_2{rapid}")
    at = second["flagged_at"]
    assert await customers(f"&flagged_after={at}") == ["cust_3", "cust_2"]
    assert await customers(f"&flagged_before={at}&order=flagged_at") == ["cust_1", "cust_2"]


async def test_anomalies_are_listed_by_how_they_were_resolved(shop: Shop) -> None:
    resolutions = {"cust_1": "approved", "cust_2": "voided", "cust_3": "suspended"}
    for customer, resolution in resolutions.items():
        anomaly = await flagged(shop, customer)
        body = {"status": "resolved", "resolution": resolution}
        assert (await patch(shop, anomaly, body)).status == 200
    await flagged(shop, "cust_4")
    for customer, resolution in resolutions.items():
        for also in ("", "&status=resolved,in_review", "&type=rapid_earning", "&mode=review"):
            (listed,) = await list_anomalies(shop, f"&resolution={resolution}{also}")
            assert (listed["customer_id"], listed["resolution"]) == (customer, resolution)
    for also in ("&customer_id=cust_4", "&customer_id=cust_2", "&type=deviation"):
        assert await list_anomalies(shop, f"&resolution=approved{also}") == []


async def test_of_two_concurrent_reviews_one_wins_and_the_other_gets_a_conflict(shop: Shop) -> None:
    keys = [await shop.stack.key(shop.store_id, name=name) for name in ("Ada", "Grace")]
    for round_ in range(4):
        anomaly = await flagged(shop, f"cust_{round_}")
        choices = ("approved", "voided")
        responses = await asyncio.gather(
            *(
                patch(shop, anomaly, {"status": "resolved", "resolution": choice}, key=key)
                for choice, key in zip(choices, keys, strict=True)
            )
        )
        assert sorted(one.status for one in responses) == [200, 409]
        winner = next(one.json for one in responses if one.status == 200)
        refused = next(one.json for one in responses if one.status == 409)
        assert refused["code"] == "conflict"
        assert refused["reviewed_by"] == winner["reviewed_by"]
        assert winner["reviewed_by"] in refused["detail"]
        got = await shop.call("GET", f"loyalty/anomalies/{anomaly['id']}")
        assert got.json == winner


async def test_a_review_repeated_with_its_key_gets_the_same_response(shop: Shop) -> None:
    anomaly = await flagged(shop)
    body = {"status": "resolved", "resolution": "approved"}
    key = {"Idempotency-Key": "once"}
    first = await patch(shop, anomaly, body, headers=key)
    again = await patch(shop, anomaly, body, headers=key)
    assert (first.status, again.status, again.raw) == (200, 200, first.raw)
    assert again.headers["Idempotency-Hit"] == "true"


async def test_earnings_of_a_resolved_anomaly_count_in_no_later_window(shop: Shop) -> None:
    anomaly = await flagged(shop)
    await patch(shop, anomaly, {"status": "resolved", "resolution": "approved"})
    await publish(shop, *(earned(shop, "cust_1", 100, 20 + n) for n in range(9)))
    await wait_until_judged(shop)
    assert len(await list_anomalies(shop, "&customer_id=cust_1")) == 1
    await publish(shop, earned(shop, "cust_1", 100, 30))
    await wait_until_judged(shop)
    newest, oldest = await list_anomalies(shop, "&customer_id=cust_1")
    assert oldest["id"] == anomaly["id"]
    assert len(newest["transaction_ids"]) == 10
    assert not set(newest["transaction_ids"]) & set(oldest["transaction_ids"])


async def test_flagged_awards_are_normal_once_they_are_approved(shop: Shop) -> None:
    normal = [earned(shop, "cust_1", 500, n * 1_000) for n in range(5)]
    large = [earned(shop, "cust_1", 9_000, 6_000 + n * 1_000) for n in range(6)]
    await publish(shop, *normal, *large)
    await wait_until_judged(shop)
    anomalies = await list_anomalies(shop, "&customer_id=cust_1")
    assert len(anomalies) == 6
    for one in anomalies:
        await patch(shop, one, {"status": "resolved", "resolution": "approved"})
    await publish(shop, earned(shop, "cust_1", 9_000, 13_000))
    await wait_until_judged(shop)
    assert len(await list_anomalies(shop, "&customer_id=cust_1")) == 6


async def test_a_late_earning_joins_two_bursts(shop: Shop) -> None:
    first = [earned(shop, "cust_1", 1, n) for n in range(10)]
    second = [earned(shop, "cust_1", 1, 125 + n) for n in range(10)]
    await publish(shop, *first, *second)
    await wait_until_judged(shop)
    younger, older = await list_anomalies(shop, "&customer_id=cust_1")
    await publish(shop, earned(shop, "cust_1", 1, 60))
    await wait_until_judged(shop)
    (joined,) = await list_anomalies(shop, "&customer_id=cust_1")
    assert joined["id"] == older["id"]
    assert joined["description"] == "21 point transactions in 3 minutes"
    # The id of the merged one leads to the anomaly that it was merged into.
    assert (await shop.call("GET", f"loyalty/anomalies/{younger['id']}")).json == joined
    refused = await patch(shop, younger, {"status": "in_review"})
    assert (refused.status, refused.json["code"]) == (409, "conflict")
