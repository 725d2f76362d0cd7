"""Programs through the API: versions, changes that do not get lost, and previews."""

from tests.contract.test_request_checks import assert_problem
from tests.support import PROGRAM, Shop


async def test_versions_are_listed_newest_first_with_who_made_them(shop: Shop) -> None:
    program = await shop.program()
    path = f"loyalty-programs/{program['id']}"
    for number in (2, 3):
        changed = await shop.call("PATCH", path, {"points_per_dollar": number})
        assert changed.json["version"] == number
    page = (await shop.call("GET", f"{path}/versions")).json
    assert (page["total"], page["has_more"]) == (3, False)
    assert [(one["version"], one["points_per_dollar"]) for one in page["data"]] == [
        (3, 3),
        (2, 2),
        (1, 10),
    ]
    first = page["data"][-1]
    assert first.pop("changed_at") <= page["data"][0]["changed_at"]
    assert first.pop("changed_by") == "test"
    assert first == {name: value for name, value in program.items() if name != "is_default"}
    second = (await shop.call("GET", f"{path}/versions?limit=1&starting_after=3")).json
    assert ([one["version"] for one in second["data"]], second["has_more"]) == ([2], True)
    for cursor in ("0", "4", "x", program["id"]):
        refused = await shop.call("GET", f"{path}/versions?starting_after={cursor}")
        assert_problem(refused, 400, "invalid_request")
    unknown = await shop.call("GET", "loyalty-programs/loy_1/versions")
    assert_problem(unknown, 404, "not_found")


async def test_a_change_of_another_version_is_refused_and_loses_nothing(shop: Shop) -> None:
    program = await shop.program()
    path = f"loyalty-programs/{program['id']}"
    change = {"name": "Mine", "version": 1}
    assert (await shop.call("PATCH", path, {"name": "Theirs", "version": 1})).status == 200
    for method, where in (("PATCH", path), ("POST", f"{path}/preview")):
        refused = await shop.call(method, where, change)
        assert_problem(refused, 409, "conflict")
        assert "its version is 2, not 1" in refused.json["detail"]
    stored = (await shop.call("GET", path)).json
    assert (stored["name"], stored["version"]) == ("Theirs", 2)
    assert (await shop.call("PATCH", path, change | {"version": 2})).json["name"] == "Mine"


async def test_a_preview_says_who_would_move_and_changes_nothing(shop: Shop) -> None:
    program = await shop.program()
    for customer, points in (("c1", 100), ("c2", 6_000), ("c3", 12_000), ("c4", 20_000)):
        await shop.earn(customer, points)
    path = f"loyalty-programs/{program['id']}"
    tiers = [dict(tier) for tier in PROGRAM["tiers"]]  # type: ignore[attr-defined]
    tiers[1]["min_points"] = 8_000
    tiers[2]["min_points"] = 10_000
    read_only = await shop.stack.key(shop.store_id, "read")
    body = {"points_per_dollar": "12.5", "tiers": tiers}
    preview = await shop.call("POST", f"{path}/preview", body, key=read_only)
    assert preview.status == 200
    assert preview.json == {
        "order_total": "100.00",
        "tiers": [
            {
                "name": name,
                "points_before": before,
                "points_after": after,
                "customers_before": customers_before,
                "customers_after": customers_after,
            }
            for name, before, after, customers_before, customers_after in (
                ("Bronze", 1_000, 1_250, 1, 2),
                ("Silver", 1_500, 1_875, 2, 0),
                ("Gold", 2_000, 2_500, 1, 2),
                ("Platinum", 3_000, 3_750, 0, 0),
            )
        ],
        "moves_up": 1,
        "moves_down": 1,
        "without_tier": {
            "points_before": 1_000,
            "points_after": 1_250,
            "customers_before": 0,
            "customers_after": 0,
        },
    }
    assert (await shop.call("GET", path)).json == program
    invalid = await shop.call("POST", f"{path}/preview", {"points_per_dollar": 0, "rate": 1})
    assert_problem(invalid, 400, "invalid_request")
    assert len(invalid.json["errors"]) == 2
    # What the preview said comes true.
    await shop.call("PATCH", path, body)
    listed = (await shop.call("GET", "loyalty/customers")).json["data"]
    assert [each["tier"]["name"] for each in listed] == ["Bronze", "Bronze", "Gold", "Gold"]


SETTINGS: dict[str, object] = {
    "time_zone": "Europe/Berlin",
    "expiry": {"kind": "after", "months": 12, "round": "quarter"},
    "remind_days": [30, 7, 1],
    "pending": {"days": 14, "from": "fulfilled"},
}


def settings_of(program: dict[str, object]) -> dict[str, object]:
    return {name: program[name] for name in SETTINGS if name in program}


async def test_settings_of_expiry_are_printed_as_sent_replaced_whole_and_removed_by_null(
    shop: Shop,
) -> None:
    plain = await shop.program()
    assert list(plain) == [
        *("id", "name", "points_per_dollar", "tiers", "is_active", "created_at", "currency"),
        *("is_default", "version", "keep_items"),
    ]
    program = await shop.program(**SETTINGS)
    assert settings_of(program) == SETTINGS
    path = f"loyalty-programs/{program['id']}"
    yearly = {"expiry": {"kind": "yearly", "dates": ["12-31", "06-30"]}}
    changed = (await shop.call("PATCH", path, yearly | {"remind_days": None})).json
    expected = {**SETTINGS, **yearly}
    del expected["remind_days"]
    assert settings_of(changed) == expected
    assert settings_of((await shop.call("GET", path)).json) == expected
    removed = await shop.call("PATCH", path, dict.fromkeys(SETTINGS))
    assert settings_of(removed.json) == {}
    versions = (await shop.call("GET", f"{path}/versions")).json["data"]
    assert [settings_of(version) for version in versions] == [{}, expected, SETTINGS]


async def test_a_preview_says_what_expires_when_by_the_clock_of_the_store(shop: Shop) -> None:
    program = await shop.program()
    path = f"loyalty-programs/{program['id']}/preview"
    moved = await shop.call("PUT", "loyalty/clock", {"now": "2030-11-29T23:30:00Z"})
    assert moved.status == 200
    preview = await shop.call("POST", path, {**SETTINGS, "points_per_dollar": 5})
    # In Berlin it is the 30th already.
    assert preview.json["dates"] == {
        "time_zone": "Europe/Berlin",
        "expirations": [
            {
                "available_on": available,
                "expires_on": expires,
                "reminders_on": reminders,
            }
            for available, expires, reminders in (
                ("2030-11-30", "2031-12-31", ["2031-12-01", "2031-12-24", "2031-12-30"]),
                ("2031-01-01", "2032-03-31", ["2032-03-01", "2032-03-24", "2032-03-30"]),
                ("2031-04-01", "2032-06-30", ["2032-05-31", "2032-06-23", "2032-06-29"]),
            )
        ],
        "order": {
            "completed_on": "2030-11-30",
            "available_on": "2030-12-15",
            "waits_for": "fulfilled",
            "gives_up_on": "2031-05-29",
            "expires_on": "2031-12-31",
        },
        "existing": "extended",
    }
    assert "dates" not in (await shop.call("POST", path, {"points_per_dollar": 5})).json


async def test_a_preview_of_a_new_program_creates_none_and_counts_those_who_would_have_its_tiers(
    shop: Shop,
) -> None:
    moved = await shop.call("PUT", "loyalty/clock", {"now": "2030-11-29T23:30:00Z"})
    assert moved.status == 200
    read_only = await shop.stack.key(shop.store_id, "read")
    path = "loyalty-programs/preview"
    preview = await shop.call("POST", path, {**PROGRAM, **SETTINGS}, key=read_only)
    assert preview.status == 200, preview.raw
    assert preview.json["tiers"][1] == {
        "name": "Silver",
        "points_after": 1_500,
        "customers_before": 0,
        "customers_after": 0,
    }
    dates = preview.json["dates"]
    assert dates["expirations"][0]["available_on"] == "2030-11-30"
    assert dates["expirations"][0]["expires_on"] == "2031-12-31"
    assert (dates["order"]["available_on"], dates["existing"]) == ("2030-12-15", "extended")
    assert (await shop.call("GET", "loyalty-programs")).json["data"] == []
    refused = await shop.call("POST", path, {"points_per_dollar": 0})
    assert_problem(refused, 400, "invalid_request")
    pointers = sorted(fault["pointer"] for fault in refused.json["errors"])
    assert pointers == ["#/name", "#/points_per_dollar"]

    # Of two active programs the older one is the default.
    program = await shop.program(name="First")
    await shop.earn("c1", 100)
    await shop.earn("c2", 6_000)
    second = (await shop.call("POST", path, {**PROGRAM, **SETTINGS})).json
    assert [one["customers_after"] for one in second["tiers"]] == [0, 0, 0, 0]
    assert (second["moves_up"], list(second["dates"])) == (0, ["time_zone", "expirations", "order"])
    await shop.call("PATCH", f"loyalty-programs/{program['id']}", {"is_active": False})
    alone = (await shop.call("POST", path, PROGRAM)).json
    assert [one["customers_after"] for one in alone["tiers"]] == [1, 1, 0, 0]
    assert (alone["moves_up"], alone["without_tier"]["customers_before"]) == (2, 2)
    assert "dates" not in alone


async def test_settings_that_contradict_themselves_name_all_their_faults(shop: Shop) -> None:
    program = await shop.program()
    faults = {
        "time_zone": "Mars/Olympus",
        "expiry": {"kind": "after", "months": 0, "days": 5, "dates": ["12-31"]},
        "remind_days": [7, 7],
        "pending": {"days": 0},
    }
    for method, path in (
        ("POST", "loyalty-programs"),
        ("PATCH", f"loyalty-programs/{program['id']}"),
    ):
        body = {**(PROGRAM if method == "POST" else {}), **faults}
        refused = await shop.call(method, path, body)
        assert_problem(refused, 400, "invalid_request")
        assert {fault["pointer"] for fault in refused.json["errors"]} == {
            *("#/time_zone", "#/expiry/months", "#/expiry/days", "#/expiry/dates"),
            *("#/remind_days/0", "#/remind_days/1", "#/pending/days"),
        }
