"""What a change of a program would mean in dates, before it is made."""

from datetime import UTC, date, datetime

import pytest
from msgspec.structs import replace

from libs.contracts.lifecycle import Expiry, Pending
from services.earning.domain.dates import Day, to_date
from services.earning.domain.program_dates import DatesPreview, OrderPreview, preview_dates
from services.earning.domain.programs import Program, StorePrograms
from tests.unit.earning.test_expiry_tables import day, setting
from tests.unit.earning.test_programs import program
from tests.unit.earning.test_rule_tables import table

NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)
# The day has begun in Auckland, and not in UTC.
EVENING = datetime(2026, 11, 29, 23, 30, tzinfo=UTC)


def previewed(
    before: Program, after: Program, *others: Program, now: datetime = NOON
) -> DatesPreview | None:
    """The change of one program of a store that has `others` too, which are younger."""
    return preview_dates(
        StorePrograms((before, *others)), StorePrograms((after, *others)), after, now
    )


def expiring(text: str) -> Program:
    return replace(program(), expiry=None if text == "unset" else setting(text))


def iso(value: Day) -> str:
    return to_date(value).isoformat()


def describe(preview: DatesPreview) -> str:
    parts = []
    for each in preview.expirations:
        reminders = " ".join(iso(value) for value in each.reminders_on)
        note = f" ({reminders})" if reminders else ""
        parts.append(f"{iso(each.available_on)}: {iso(each.expires_on)}{note}")
    return ", ".join(parts)


@pytest.mark.parametrize(
    ("today", "rule", "reminders", "expected"), table("expiry.md", first_heading="today")
)
def test_the_examples_are_those_of_the_documentation(
    today: str, rule: str, reminders: str, expected: str
) -> None:
    days = () if reminders == "–" else tuple(map(int, reminders.split()))
    changed = replace(expiring(rule), remind_days=days)
    now = datetime.combine(date.fromisoformat(today), NOON.timetz())
    preview = previewed(changed, changed, now=now)
    assert preview is not None
    assert describe(preview) == expected
    assert preview.existing is None


@pytest.mark.parametrize(
    ("before", "after", "expected"), table("expiry.md", first_heading="setting before")
)
def test_existing_dates_become_what_the_documentation_says(
    before: str, after: str, expected: str
) -> None:
    preview = previewed(expiring(before), expiring(after))
    assert preview is not None
    assert preview.existing == (None if expected == "–" else expected)


def test_the_settings_of_the_default_program_are_in_force() -> None:
    older = replace(program(), expiry=Expiry(kind="after", days=10), time_zone="Pacific/Auckland")
    younger = replace(program(), expiry=Expiry(kind="yearly", dates=("12-31",)))
    # The younger one's own setting means nothing, until the older one is deactivated.
    without = replace(younger, expiry=None)
    preview = preview_dates(
        StorePrograms((older, without)), StorePrograms((older, younger)), younger, EVENING
    )
    assert preview is not None
    assert describe(preview) == "2026-11-30: 2026-12-10"
    assert preview.time_zone == "Pacific/Auckland"
    assert preview.existing is None
    preview = previewed(older, replace(older, is_active=False), younger, now=EVENING)
    assert preview is not None
    assert describe(preview).startswith("2026-11-29: 2026-12-31")
    assert preview.time_zone == "UTC"
    assert preview.existing == "extended"
    off = previewed(older, replace(older, is_active=False), now=EVENING)
    assert off == DatesPreview(None, [], None, "paused")


@pytest.mark.parametrize(
    ("pending", "expected"),
    [
        (Pending(days=14), ("2026-12-15", None, "2027-12-15")),
        (Pending(days=14, give_up_days=30), ("2026-12-15", None, "2027-12-15")),
        (Pending(days=14, from_="fulfilled"), ("2026-12-15", "2027-05-29", "2027-12-15")),
        (
            Pending(days=0, from_="fulfilled", give_up_days=30),
            ("2026-11-30", "2026-12-30", "2027-11-30"),
        ),
    ],
)
def test_an_order_of_today_shows_how_long_points_wait(
    pending: Pending, expected: tuple[str, str | None, str]
) -> None:
    after = replace(expiring("after 12 months"), time_zone="Pacific/Auckland", pending=pending)
    preview = previewed(program(), after, now=EVENING)
    assert preview is not None
    assert preview.order is not None
    available, gives_up, expires = expected
    assert preview.order == OrderPreview(
        completed_on=day("2026-11-30"),
        available_on=day(available),
        gives_up_on=None if gives_up is None else day(gives_up),
        expires_on=day(expires),
    )


def test_an_inactive_program_prices_no_order_and_no_setting_shows_no_dates() -> None:
    waiting = replace(program(), pending=Pending(days=14))
    preview = previewed(waiting, waiting)
    assert preview is not None
    assert preview.order is not None
    assert preview.order.expires_on is None
    assert preview.expirations == []
    assert previewed(waiting, replace(waiting, is_active=False), program()) is None
    assert previewed(program(), replace(program(), remind_days=(30,))) is None
