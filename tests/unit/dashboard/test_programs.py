"""Forms of the program and the rewards: what is read, what differs, and what two people's changes give."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from services.dashboard.domain import lifecycle_form, programs, rewards
from services.dashboard.domain.forms import decimal, field_name, plain, whole
from services.dashboard.domain.lifecycle_form import LifecycleForm
from services.dashboard.domain.programs import ProgramForm, Values
from services.dashboard.handlers.programs import body_of
from whale_loyalty.models import Expiry, Pending, Reward, RewardValue, Tier

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
NEW_YORK = ZoneInfo("America/New_York")


@pytest.mark.parametrize(
    ("pointer", "name"),
    [
        ("#/tiers/1/min_points", "tiers.1.min_points"),
        ("#/value/percent", "value.percent"),
        ("", ""),
    ],
)
def test_a_pointer_names_its_field(pointer: str, name: str) -> None:
    assert field_name(pointer) == name


def test_numbers_are_read_as_people_write_them() -> None:
    assert [whole(text) for text in ("12,500", "0", "-3", "1,50", "1.5", "", "٣")] == [
        *(12_500, 0, -3),
        *(None, None, None, None),
    ]
    # A comma is no decimal point: 1,5 is an error and not 15.
    assert [decimal(text) for text in ("1.5", ".5", "1,250", "1,5", "-", "1e3")] == [
        *(Decimal("1.5"), Decimal("0.5"), Decimal(1250)),
        *(None, None, None),
    ]
    assert [plain(Decimal(text)) for text in ("10.0", "1.50", "100")] == ["10", "1.5", "100"]


def program(**changes: Any) -> Values:
    values = {
        "name": "VIP",
        "points_per_dollar": Decimal(10),
        "currency": "USD",
        "is_active": True,
        "keep_items": True,
        "tiers": [
            Tier(name="Bronze", min_points=0, multiplier=Decimal(1)),
            Tier(name="Silver", min_points=5000, multiplier=Decimal("1.5"), perks=["Tea"]),
        ],
    }
    return Values(**(values | changes))  # type: ignore[arg-type]


def test_a_form_gives_the_program_that_it_was_made_from() -> None:
    form = programs.form_of(program())
    assert programs.find_problems(form) == {}
    assert programs.differences(program(), programs.values_of(programs.parse(form.fields))) == []


def test_rows_are_added_and_removed_and_blank_ones_are_not_sent() -> None:
    form = programs.form_of(program())
    assert [row.name for row in form.without_row(0).tiers] == ["Silver"]
    assert form.with_row().without_blank_rows() == form
    assert programs.find_problems(form.with_row()) == {
        "tiers.2.min_points": "required",
        "tiers.2.multiplier": "required",
    }


def test_a_program_differs_field_by_field_and_tier_by_tier() -> None:
    after = program(
        points_per_dollar=Decimal(12),
        keep_items=False,
        tiers=[
            # Renamed, changed and added; Bronze kept its minimum.
            Tier(name="Start", min_points=0, multiplier=Decimal(1)),
            Tier(name="Silver", min_points=6000, multiplier=Decimal("1.5"), perks=["Tea"]),
            Tier(name="Gold", min_points=15_000, multiplier=Decimal(2)),
        ],
    )
    changes = [
        (change.field, change.subject, change.before, change.after)
        for change in programs.differences(program(), after)
    ]
    assert changes == [
        ("points_per_dollar", None, Decimal(10), Decimal(12)),
        ("keep_items", None, True, False),
        ("tier.name", "Bronze", "Bronze", "Start"),
        ("tier.min_points", "Silver", 5000, 6000),
        ("tier_added", None, None, after.tiers[2]),
    ]
    removed = programs.differences(after, program(points_per_dollar=Decimal(12)))
    assert "tier_removed" in [change.field for change in removed]


def test_two_changes_of_a_program_are_merged_by_field() -> None:
    mine = program(points_per_dollar=Decimal(12), name="Mine")
    theirs = program(name="Theirs", currency="EUR")
    merged = programs.merge(program(), mine, theirs)
    assert (merged.name, merged.currency, merged.points_per_dollar) == ("Mine", "EUR", Decimal(12))
    assert programs.changed_by_both(program(), mine, theirs) == ["name"]


def test_a_form_keeps_what_was_typed_even_if_it_is_no_number() -> None:
    fields = {"name": " VIP ", "points_per_dollar": "ten", "tiers.7.name": "A", "tiers.x.name": "B"}
    form = programs.parse(fields)
    assert isinstance(form, ProgramForm)
    assert (form.name, form.points_per_dollar, len(form.tiers)) == ("VIP", "ten", 1)
    assert programs.find_problems(form)["points_per_dollar"] == "number"


SETTINGS: dict[str, Any] = {
    "time_zone": "Europe/Berlin",
    "expiry": Expiry(kind="after", months=12, round="quarter", returned_days=0),
    "remind_days": [30, 7, 1],
    "pending": Pending(days=0, from_="fulfilled", give_up_days=90),
}


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({}, id="none"),
        pytest.param(SETTINGS, id="all"),
        pytest.param({"expiry": Expiry(kind="after", days=365)}, id="days"),
        pytest.param(
            {"expiry": Expiry(kind="yearly", dates=["06-30", "12-31"], at_least_days=90)},
            id="yearly",
        ),
        pytest.param({"expiry": Expiry(kind="inactivity", months=6)}, id="inactivity"),
        pytest.param({"pending": Pending(days=14)}, id="pending from the order"),
    ],
)
def test_a_form_keeps_the_settings_of_expiry_and_sends_null_for_those_that_are_not_set(
    settings: dict[str, Any],
) -> None:
    form = programs.parse(programs.form_of(program(**settings)).fields)
    assert programs.find_problems(form) == {}
    body = body_of(programs.values_of(form))
    assert {name: body[name] for name in SETTINGS} == dict.fromkeys(SETTINGS) | settings
    # What holds by default is no difference.
    explicit = program(expiry=Expiry(kind="after", months=1, round="day"))
    assert programs.differences(explicit, program(expiry=Expiry(kind="after", months=1))) == []


def test_fields_of_a_kind_that_is_not_chosen_are_kept_and_neither_checked_nor_sent() -> None:
    typed = {
        "expiry.kind": "yearly",
        "expiry.period": "a year",
        "expiry.round": "month",
        "expiry.dates": "6/30, 12-31",
        "expiry.at_least_days": "",
        "pending": "order",
        "pending.days": "14",
        "pending.give_up_days": "long",
    }
    form = lifecycle_form.parse(typed)
    assert (form.period, form.give_up_days) == ("a year", "long")
    assert lifecycle_form.find_problems(form) == {}
    values = lifecycle_form.values_of(form)
    assert values.expiry == Expiry(kind="yearly", dates=["06-30", "12-31"])
    assert values.pending == Pending(days=14)
    typed |= {"expiry.kind": "none", "expiry.dates": "", "expiry.returned_days": "x"}
    typed |= {"pending": "none"}
    off = lifecycle_form.parse(typed)
    assert lifecycle_form.find_problems(off) == {}
    assert (lifecycle_form.values_of(off).expiry, lifecycle_form.values_of(off).pending) == (
        None,
        None,
    )


def test_what_cannot_be_sent_of_the_settings_is_a_problem_of_its_field() -> None:
    form = LifecycleForm(
        kind="after",
        period="",
        returned_days="many",
        remind_days="30, seven",
        wait="fulfilled",
        wait_days="1.5",
        give_up_days="-",
    )
    assert lifecycle_form.find_problems(form) == {
        "expiry.period": "required",
        "expiry.returned_days": "count",
        "pending.days": "count",
        "pending.give_up_days": "count",
        "remind_days": "days",
    }
    yearly = LifecycleForm(kind="yearly", dates=" , ", at_least_days="x")
    assert lifecycle_form.find_problems(yearly) == {
        "expiry.dates": "required",
        "expiry.at_least_days": "count",
    }
    # The API has the period in one of two fields, the page in one.
    errors = [{"pointer": "#/expiry/days", "detail": "must be 1 to 1096"}]
    pointers = [error["pointer"] for error in lifecycle_form.at_fields(errors)]
    assert [field_name(pointer) for pointer in pointers] == ["expiry.period"]


def test_settings_of_expiry_differ_and_are_merged_like_other_fields() -> None:
    changes = programs.differences(program(**SETTINGS), program())
    assert [(change.field, change.after) for change in changes] == [
        (name, None) for name in ("expiry", "remind_days", "pending", "time_zone")
    ]
    mine = program(pending=Pending(days=14))
    theirs = program(expiry=Expiry(kind="inactivity", months=6))
    merged = programs.merge(program(), mine, theirs)
    assert (merged.pending, merged.expiry) == (mine.pending, theirs.expiry)
    assert programs.changed_by_both(program(), program(**SETTINGS), theirs) == ["expiry"]


def reward(**changes: Any) -> Reward:
    values: dict[str, Any] = {"id": "rwd_1", "name": "Mug", "points_cost": 500, "type": "perk"}
    return Reward(**(values | changes))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        pytest.param({}, None, id="offered"),
        pytest.param({"is_active": False, "stock": 1, "stock_left": 0}, "inactive", id="inactive"),
        pytest.param({"starts_at": NOW + timedelta(seconds=1)}, "not_started", id="not started"),
        pytest.param({"starts_at": NOW, "ends_at": NOW}, "ended", id="ended"),
        pytest.param({"stock": 5, "stock_left": 0}, "out_of_stock", id="out of stock"),
        pytest.param({"stock": 5, "stock_left": 1}, None, id="one left"),
    ],
)
def test_why_a_reward_is_not_available(changes: dict[str, Any], reason: str | None) -> None:
    assert rewards.why_unavailable(reward(**changes), NOW) == reason


def test_a_reward_that_needs_a_tier_is_matched_only_where_the_tiers_are_known() -> None:
    gold = reward(min_tier="Gold")
    assert rewards.needs_missing_tier(gold, ["Silver"])
    assert not rewards.needs_missing_tier(gold, ["Gold"])
    assert not rewards.needs_missing_tier(gold, None)
    assert not rewards.needs_missing_tier(reward(), [])


def test_the_form_of_a_reward_changes_only_what_was_changed() -> None:
    before = reward(
        value=RewardValue(amount=Decimal("25.00"), currency="USD"),
        stock=3,
        # With seconds, which the field of a browser does not show.
        ends_at=datetime(2031, 3, 1, 17, 0, 30, tzinfo=UTC),
    )
    form = rewards.parse(rewards.form_of(before, NEW_YORK).fields)
    assert form.ends_at == "2031-03-01T12:00"
    assert rewards.differences(before, rewards.apply(form, before, NEW_YORK)) == []
    emptied = rewards.parse(form.fields | {"stock": "", "value": "none", "ends_at": ""})
    body = rewards.body_of(emptied, NEW_YORK, before)
    assert (body["stock"], body["value"], body["ends_at"]) == (None, None, None)


def test_two_changes_of_a_reward_are_merged_by_field() -> None:
    base = rewards.form_of(reward(), NEW_YORK)
    mine = rewards.form_of(reward(points_cost=700, name="Mine"), NEW_YORK)
    theirs = rewards.form_of(reward(name="Theirs", stock=9), NEW_YORK)
    merged = rewards.merge(base, mine, theirs)
    assert (merged.points_cost, merged.name, merged.stock) == ("700", "Mine", "9")
