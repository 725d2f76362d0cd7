"""The bounds of expiry, reminders, pending points and time zones, each fault at its place."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from msgspec import UNSET, Struct, UnsetType

from libs.contracts.lifecycle import Expiry, Pending
from libs.web.body import Faults, read
from services.earning.api import lifecycle_checks


class Settings(Struct, frozen=True, forbid_unknown_fields=True):
    """The fields of a program that these checks are about."""

    time_zone: str | UnsetType | None = UNSET
    expiry: Expiry | UnsetType | None = UNSET
    remind_days: list[int] | UnsetType | None = UNSET
    pending: Pending | UnsetType | None = UNSET


def check(settings: Settings, faults: Faults) -> None:
    lifecycle_checks.time_zone(settings.time_zone, faults)
    lifecycle_checks.expiry(settings.expiry, faults)
    lifecycle_checks.remind_days(settings.remind_days, faults)
    lifecycle_checks.pending(settings.pending, faults)


def find_faults(
    body: dict[str, Any], check: Callable[[Any, Faults], None] = check
) -> dict[str, str]:
    """What is wrong, by the pointer to it."""
    faults = Faults()
    read(json.dumps(body).encode(), Settings, faults, check=check)
    return {fault.pointer or "": fault.detail for fault in faults.all}


def pointers(body: dict[str, Any], check: Callable[[Any, Faults], None] = check) -> list[str]:
    return list(find_faults(body, check))


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"time_zone": None, "expiry": None, "remind_days": None, "pending": None},
        {"time_zone": "America/Argentina/Buenos_Aires"},
        {"expiry": {"kind": "after", "months": 1}},
        {"expiry": {"kind": "after", "months": 60, "round": "quarter", "returned_days": 0}},
        {"expiry": {"kind": "after", "days": 1_096}},
        {"expiry": {"kind": "yearly", "dates": ["02-29"], "at_least_days": 366}},
        {"expiry": {"kind": "yearly", "dates": [f"{m:02}-01" for m in range(1, 13)]}},
        {"expiry": {"kind": "inactivity", "days": 1, "returned_days": 366}},
        {"remind_days": [365, 30, 7, 2, 1]},
        {"pending": {"days": 1}},
        {"pending": {"days": 366, "from": "order"}},
        {"pending": {"days": 0, "from": "fulfilled", "give_up_days": 730}},
    ],
)
def test_these_settings_are_within_the_bounds(settings: dict[str, Any]) -> None:
    assert pointers(settings) == []


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"time_zone": "Berlin"}, ["time_zone"]),
        ({"time_zone": ""}, ["time_zone"]),
        ({"expiry": {"kind": "after"}}, ["expiry/months", "expiry/days"]),
        (
            {"expiry": {"kind": "inactivity", "months": 1, "days": 1}},
            ["expiry/months", "expiry/days"],
        ),
        ({"expiry": {"kind": "after", "months": 0}}, ["expiry/months"]),
        ({"expiry": {"kind": "after", "months": 61}}, ["expiry/months"]),
        ({"expiry": {"kind": "after", "days": 1_097}}, ["expiry/days"]),
        ({"expiry": {"kind": "after", "days": 1, "returned_days": 367}}, ["expiry/returned_days"]),
        ({"expiry": {"kind": "after", "days": 1, "round": "week"}}, ["expiry/round"]),
        ({"expiry": {"kind": "inactivity", "days": 1, "round": "month"}}, ["expiry/round"]),
        (
            {"expiry": {"kind": "after", "dates": ["12-31"], "at_least_days": 1, "days": 0}},
            ["expiry/days", "expiry/dates", "expiry/at_least_days"],
        ),
        ({"expiry": {"kind": "yearly"}}, ["expiry/dates"]),
        ({"expiry": {"kind": "yearly", "dates": []}}, ["expiry/dates"]),
        ({"expiry": {"kind": "yearly", "dates": ["12-31"] * 13}}, ["expiry/dates"]),
        (
            {"expiry": {"kind": "yearly", "dates": ["02-30", "13-01", "1-1", "12-31", "12-31"]}},
            [f"expiry/dates/{place}" for place in range(5)],
        ),
        (
            {"expiry": {"kind": "yearly", "months": 1, "days": 1, "dates": ["00-10"]}},
            ["expiry/months", "expiry/days", "expiry/dates/0"],
        ),
        (
            {"expiry": {"kind": "yearly", "dates": ["12-31"], "at_least_days": 367}},
            ["expiry/at_least_days"],
        ),
        ({"expiry": {"kind": "never", "months": 61}}, ["expiry/kind", "expiry/months"]),
        ({"expiry": {"kind": "yearly", "dates": ["12-31", 7]}}, ["expiry/dates/1"]),
        ({"expiry": {}}, ["expiry/kind"]),
        ({"remind_days": []}, ["remind_days"]),
        ({"remind_days": [1, 2, 3, 4, 5, 6]}, ["remind_days"]),
        (
            {"remind_days": [0, 366, 7, 7]},
            ["remind_days/0", "remind_days/1", "remind_days/2", "remind_days/3"],
        ),
        ({"pending": {"days": 0}}, ["pending/days"]),
        ({"pending": {"days": 0, "from": "order"}}, ["pending/days"]),
        ({"pending": {"days": -1, "from": "fulfilled"}}, ["pending/days"]),
        ({"pending": {"days": 367, "give_up_days": 0}}, ["pending/days", "pending/give_up_days"]),
        ({"pending": {"days": 1, "give_up_days": 731}}, ["pending/give_up_days"]),
        ({"pending": {"from": "fulfilled"}}, ["pending/days"]),
        ({"pending": {"days": 1, "from": "shipped"}}, ["pending/from"]),
    ],
)
def test_each_fault_is_at_its_place(settings: dict[str, Any], expected: list[str]) -> None:
    assert sorted(pointers(settings)) == sorted(f"#/{name}" for name in expected)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        pytest.param(
            {"expiry": {"kind": "after"}},
            {
                "#/expiry/months": "is required, unless days is set",
                "#/expiry/days": "is required, unless months is set",
            },
            id="no period",
        ),
        pytest.param(
            {"expiry": {"kind": "after", "months": 12, "days": 30}},
            {
                "#/expiry/months": "must not be set together with days",
                "#/expiry/days": "must not be set together with months",
            },
            id="two periods",
        ),
        pytest.param(
            {"pending": {"days": 0}},
            {"#/pending/days": "must be 1 or more; 0 only if `from` is fulfilled"},
            id="no wait",
        ),
        pytest.param(
            {"pending": {"days": -14}}, {"#/pending/days": "must be from 1 to 366"}, id="negative"
        ),
    ],
)
def test_a_fault_says_what_to_change(settings: dict[str, Any], expected: dict[str, str]) -> None:
    assert find_faults(settings) == expected
