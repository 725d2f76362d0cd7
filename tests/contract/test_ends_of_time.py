"""Every time and day that a caller may send, at the ends of what times can say, with offsets."""

from urllib.parse import quote

import pytest

from tests.contract.test_request_checks import assert_problem
from tests.e2e.test_shop_events import ONE, envelope
from tests.support import Shop

LAST = "9999-12-31T23:59:59.999Z"
FIRST = "0001-01-01T00:00:00Z"
TIMES = [
    pytest.param(LAST, True, id="the last"),
    pytest.param("9999-12-31T23:59:59.999999999Z", True, id="the last, finer"),
    pytest.param("9999-12-31T23:59:59.999+14:00", True, id="the last, ahead of UTC"),
    pytest.param("9999-12-31T23:59:59.999-00:01", False, id="past the last"),
    pytest.param(FIRST, True, id="the first"),
    pytest.param("0001-01-01T00:00:00-14:00", True, id="the first, behind UTC"),
    pytest.param("0001-01-01T00:00:00+00:01", False, id="before the first"),
    pytest.param("0000-01-01T00:00:00Z", False, id="the year 0"),
    pytest.param("1970-01-01T00:00:00Z", True, id="the epoch"),
    pytest.param("1969-12-31T23:59:59.999Z", True, id="before the epoch"),
    pytest.param("2026-03-10T12:00:60Z", False, id="a leap second"),
    pytest.param("2026-02-30T12:00:00Z", False, id="no such day"),
    pytest.param("2026-03-10T12:00:00+24:00", False, id="an offset of a day"),
    pytest.param("2026-03-10T12:00:00+23:59", True, id="an offset of almost a day"),
]


@pytest.mark.parametrize(("moment", "valid"), TIMES)
@pytest.mark.parametrize("name", ["created_after", "created_before"])
async def test_a_list_is_filtered_by_any_time(
    shop: Shop, name: str, moment: str, valid: bool
) -> None:
    await shop.program()
    await shop.earn("cust_1", 5)
    answer = await shop.call("GET", f"loyalty/transactions?{name}={quote(moment)}")
    if not valid:
        assert_problem(answer, 400, "invalid_request")
        assert [fault["parameter"] for fault in answer.json["errors"]] == [name]
        return
    assert answer.status == 200, answer.raw
    is_late = moment.startswith("9999")
    assert answer.json["total"] == int(is_late == (name == "created_before"))


async def test_the_milliseconds_of_a_filter_are_inclusive(shop: Shop) -> None:
    await shop.program()
    posted = (await shop.earn("cust_1", 5)).json["created_at"]
    query = f"created_after={posted}&created_before={posted}"
    assert (await shop.call("GET", f"loyalty/transactions?{query}")).json["total"] == 1


@pytest.mark.parametrize(("moment", "valid"), TIMES)
async def test_a_reward_may_start_and_end_at_any_time(shop: Shop, moment: str, valid: bool) -> None:
    reward = {"name": "Free Shipping", "points_cost": 500, "type": "shipping"}
    for name in ("starts_at", "ends_at"):
        answer = await shop.call("POST", "loyalty/rewards", {**reward, name: moment})
        if not valid:
            assert_problem(answer, 400, "invalid_request")
            assert [fault["pointer"] for fault in answer.json["errors"]] == [f"#/{name}"]
            continue
        assert answer.status == 201, answer.raw
        seen = await shop.call("GET", f"loyalty/rewards/{answer.json['id']}")
        assert seen.json[name] == answer.json[name]
    assert (await shop.call("GET", "loyalty/rewards")).status == 200


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("to=0001-01-01", 200),
        ("to=0001-01-15", 200),
        ("from=9999-12-31&to=9999-12-31", 200),
        ("from=0001-01-01&to=9999-12-31", 200),
        ("to=9999-12-31", 200),
        ("to=0000-01-01", 400),
        ("to=10000-01-01", 400),
        ("from=9999-12-31", 400),
    ],
)
async def test_a_summary_may_be_of_any_days(shop: Shop, query: str, status: int) -> None:
    answer = await shop.call("GET", f"loyalty/summary?{query}")
    assert answer.status == status, answer.raw


@pytest.mark.parametrize("day", ["0001-01-01", "1970-01-01", "9998-12-31", "9999-12-31"])
async def test_a_backtest_may_be_of_any_day_or_is_refused(shop: Shop, day: str) -> None:
    answer = await shop.call("POST", "loyalty/anomaly-settings/backtest", {"from": day, "to": day})
    assert answer.status in {200, 400}, answer.raw


@pytest.mark.parametrize(("moment", "_valid"), TIMES)
async def test_an_event_may_bear_any_time_or_is_refused(
    shop: Shop, moment: str, _valid: bool
) -> None:
    for changes in ({"time": moment}, {}):
        order = shop.order(f"o{len(changes)}", completed_at=moment)
        answer = await shop.call("POST", "events", envelope("e1", order, **changes), headers=ONE)
        assert answer.status in {202, 400}, answer.raw
