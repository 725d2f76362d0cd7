"""How a store has its earnings judged: modes, new settings, backtests."""

from typing import Any

from libs.testing.eventually import eventually
from tests.flagging import NOON, flagged, heard, listed, patch, tell, told
from tests.support import Shop


async def test_a_detector_in_shadow_shows_nothing_and_one_that_is_off_finds_nothing(
    shop: Shop,
) -> None:
    chosen = {"unusual_amount": {"mode": "shadow"}, "deviation": {"mode": "off"}}
    answer = await shop.call("PUT", "loyalty/anomaly-settings", chosen)
    assert answer.status == 200, answer.raw
    normal = [told(shop, "cust_1", 500, n * 1_000) for n in range(5)]
    await tell(shop, *normal, told(shop, "cust_1", 9_000, 6_000))
    await heard(shop)
    assert await listed(shop, "&customer_id=cust_1") == []


async def test_settings_are_replaced_and_judge_what_is_earned_from_then_on(shop: Shop) -> None:
    shipped = {
        "rapid_earning": {"mode": "review", "count": 10, "window_seconds": 120},
        "unusual_amount": {"mode": "review", "factor": 10, "min_history": 5, "min_points": 1000},
        "deviation": {"mode": "review", "score": 6, "min_days": 14},
    }
    assert (await shop.call("GET", "loyalty/anomaly-settings")).json == shipped
    await tell(shop, *(told(shop, "cust_1", 100, n) for n in range(9)))
    await heard(shop)
    chosen = {"rapid_earning": {"count": 3}}
    key = {"Idempotency-Key": "settings"}
    put = await shop.call("PUT", "loyalty/anomaly-settings", chosen, headers=key)
    assert put.json == shipped | {"rapid_earning": shipped["rapid_earning"] | {"count": 3}}
    assert (await shop.call("GET", "loyalty/anomaly-settings")).json == put.json
    again = await shop.call("PUT", "loyalty/anomaly-settings", chosen, headers=key)
    assert again.headers["Idempotency-Hit"] == "true"
    await tell(shop, *(told(shop, "cust_2", 100, n) for n in range(3)))
    await heard(shop)
    assert await listed(shop, "&customer_id=cust_1") == []
    assert len(await listed(shop, "&customer_id=cust_2")) == 1


async def backtest(shop: Shop, asked: object) -> Any:
    """The backtest, requested again while a busy machine takes too long for one."""

    async def look() -> Any:
        answer = await shop.call("POST", "loyalty/anomaly-settings/backtest", asked)
        assert answer.status == 200, answer.raw
        return answer.json

    return await eventually(look, within_seconds=90, every=1)


async def test_a_backtest_tells_what_would_have_been_flagged_and_changes_nothing(
    shop: Shop,
) -> None:
    good, bad = await flagged(shop, "cust_1"), await flagged(shop, "cust_2")
    await patch(shop, good, {"status": "resolved", "resolution": "approved"})
    await patch(shop, bad, {"status": "resolved", "resolution": "voided"})
    await tell(shop, *(told(shop, "cust_3", 100, n) for n in range(8)))
    await heard(shop)
    before = await listed(shop)
    day = NOON.date().isoformat()
    asked = {"settings": {"rapid_earning": {"count": 8}}, "from": day, "to": day}
    answer = await backtest(shop, asked)
    rapid = next(one for one in answer["detectors"] if one["type"] == "rapid_earning")
    assert (rapid["flagged"], rapid["customers"], rapid["points_involved"]) == (3, 3, 2_800)
    assert rapid["days"] == [{"date": day, "flagged": 3, "points_involved": 2_800}]
    assert rapid["voided"] == {"total": 1, "flagged": 1}
    assert rapid["approved"] == {"total": 1, "flagged": 1}
    asked["settings"] = {"rapid_earning": {"count": 11}}
    stricter = await backtest(shop, asked)
    assert stricter["detectors"][0]["flagged"] == 0
    assert stricter["detectors"][0]["voided"] == {"total": 1, "flagged": 0}

    async def unchanged() -> None:
        assert await listed(shop) == before

    # Two backtests weigh as much as a key may ask for at once.
    await eventually(unchanged)
