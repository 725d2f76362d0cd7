"""The worked tables of docs/rules/expiry.md, row by row."""

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta

import pytest

from libs.contracts.lifecycle import Expiry
from libs.kernel.clock import format_time
from services.earning.domain import lots
from services.earning.domain.account_views import AccountView
from services.earning.domain.dates import NEVER, Day, day_of, end_of, to_date, to_day
from services.earning.domain.expiry import last_day
from tests.unit.earning.lifecycle_account import Account, Row, zone
from tests.unit.earning.test_rule_tables import RULES, table

PAGE = RULES / "expiry.md"
START = datetime(2027, 1, 5, 12, tzinfo=UTC)
_STEP = re.compile(
    r"(?P<verb>\w+)(?: (?P<name>[A-Z]))? (?P<points>-?\d+)(?P<own> own)?"
    r"(?: \((?P<day>[^)]+)\))?(?: available (?P<available>\S+))?"
)

_DATED = re.compile(r"\d \(")


def setting(text: str) -> Expiry:
    """`after 12 months, month, returned 0`, `yearly 12-31 06-30, at least 90` or `inactivity 30 days`."""
    first, *options = text.split(", ")
    kind, *values = first.split()
    fields: dict[str, object] = {"kind": kind}
    if kind == "yearly":
        fields["dates"] = tuple(values)
    else:
        fields[values[1]] = int(values[0])
    for option in options:
        words = option.split()
        match words[0]:
            case "at":
                fields["at_least_days"] = int(words[-1])
            case "returned":
                fields["returned_days"] = int(words[-1])
            case _:
                fields["round"] = option
    return Expiry(**fields)  # type: ignore[arg-type]


def has_dates(steps: str) -> bool:
    """Whether a story gives points the dates of some setting, without naming one."""
    return _DATED.search(steps) is not None and "set " not in steps


def day(text: str) -> Day:
    """A date; without a year in 2027."""
    if text == "never":
        return NEVER
    return to_day(date.fromisoformat(text if len(text) > len("12-31") else f"2027-{text}"))


def shown_day(value: Day) -> str:
    if value == NEVER:
        return "never"
    return to_date(value).isoformat().removeprefix("2027-")


def shown_lots(days: Mapping[Day, int]) -> str:
    return ", ".join(f"{shown_day(value)}: {points}" for value, points in days.items()) or "–"


def shown_row(row: Row) -> str:
    text = f"{row.type} {row.points}"
    if row.parts:
        text += f" ({shown_lots(lots.by_day(row.parts))})"
    return text + (f" covered {row.covered}" if row.covered else "")


def take_step(account: Account, step: str) -> None:
    """A step of a story, in the words of the documentation."""
    verb, _, rest = step.partition(" ")
    match verb:
        case "set":
            account.set_expiry(setting(rest))
        case "unset":
            account.set_expiry(None)
        case "activate" | "deactivate":
            account.set_active(is_active=verb == "activate")
        case "suspend":
            account.suspend()
        case "reinstate":
            account.reinstate()
        case "cancel":
            account.cancel(rest)
        case "void":
            account.void({name: int(points) for name, points in map(str.split, rest.split(", "))})
        case _ if verb[0].isdigit():
            account.go_to_day(day(verb))
            account.touch()
        case _:
            post(account, step)


def post(account: Account, step: str) -> None:
    match = _STEP.fullmatch(step)
    assert match is not None, step
    name, points = match["name"], int(match["points"])
    match match["verb"]:
        case "earn":
            account.earn(
                name,
                points,
                last_day=None if match["day"] is None else day(match["day"]),
                available=None if match["available"] is None else day(match["available"]),
                own=match["own"] is not None,
            )
        case "redeem":
            account.redeem(name, points)
        case "refund":
            account.refund(name, points)
        case "adjust":
            account.adjust(points)


@pytest.mark.parametrize(
    ("available", "zone_name", "rule", "last", "ends_at"),
    table("expiry.md", first_heading="available"),
)
def test_points_have_the_last_day_that_the_documentation_says(
    available: str, zone_name: str, rule: str, last: str, ends_at: str
) -> None:
    local = day_of(datetime.fromisoformat(available), zone(zone_name))
    assert last_day(setting(rule), local) == day(last)
    assert end_of(day(last), zone(zone_name)) == datetime.fromisoformat(ends_at)


@pytest.mark.parametrize(
    ("last", "zone_name", "ends_at", "_because"), table("expiry.md", first_heading="last day")
)
def test_a_day_ends_when_the_documentation_says(
    last: str, zone_name: str, ends_at: str, _because: str
) -> None:
    instant = end_of(day(last), zone(zone_name))
    assert instant == datetime.fromisoformat(ends_at)
    assert day_of(instant, zone(zone_name)) > day(last)
    assert day_of(instant - timedelta(seconds=1), zone(zone_name)) <= day(last)


def stories() -> list[list[str]]:
    """The rows of all tables of stories."""
    lines = (line.split("|") for line in PAGE.read_text().splitlines() if line.startswith("|"))
    rows = [[cell.strip() for cell in cells[1:-1]] for cells in lines]
    return [row for row in rows if len(row) == 5 and row[3].lstrip("-").isdigit()]


@pytest.mark.parametrize(
    ("case", "steps", "entries", "balance", "lots_after"),
    [pytest.param(*row, id=row[0]) for row in stories()],
)
def test_lots_are_what_the_documentation_says(
    case: str, steps: str, entries: str, balance: str, lots_after: str
) -> None:
    account = Account(now=START)
    if has_dates(steps):
        account.set_expiry(setting("after 60 months"))
    for step in steps.split("; "):
        take_step(account, step)
    # Before it is posted, what is due is shown already.
    assert seen(account.view()) == (balance, lots_after)
    account.touch()
    rows = [shown_row(row) for row in account.rows if row.type != "earn"]
    assert ", ".join(rows) == entries
    assert seen(account.view()) == (balance, lots_after)


def seen(view: AccountView) -> tuple[str, str]:
    """The balance and the lots as callers see them: dates that are not in force are not shown."""
    days = view.days | ({NEVER: view.without_date} if view.without_date else {})
    return str(view.balance), shown_lots(days)


@pytest.mark.parametrize(
    ("zone_name", "remind_days", "set_on", "available_on", "last", "checked", "reminders"),
    table("expiry.md", first_heading="zone"),
)
def test_customers_are_reminded_when_the_documentation_says(
    zone_name: str,
    remind_days: str,
    set_on: str,
    available_on: str,
    last: str,
    checked: str,
    reminders: str,
) -> None:
    account = Account(now=START, zone_name=zone_name)
    account.set_expiry(setting("after 60 months"))
    for number in range(100):
        account.go_to_day(day("2027-01-05") + number)
        today = to_date(account.today).isoformat()
        if today == set_on:
            account.set_remind_days(*map(int, remind_days.split()))
        if today == available_on:
            account.earn("A", 100, last_day=day(last))
        if checked in {"every day", today}:
            account.touch()
    sent = [f"{one.days_left}: {format_time(one.at)[:19]}Z" for one in account.reminders]
    assert (", ".join(sent) or "–") == reminders
    assert all(one.points == 100 and one.day == day(last) for one in account.reminders)
