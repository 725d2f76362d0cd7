"""The forecast of a store: the worked table of docs/rules/expiry.md, and what it has of many accounts."""

import random
from collections import Counter
from datetime import timedelta

import pytest

from libs.contracts.lifecycle import MAX_FORECAST_DAYS, Expiry
from services.earning.domain import cycles
from services.earning.domain.forecasts import ActiveAccount, DayForecast, Forecast, within
from services.earning.domain.timelines import Timeline
from tests.unit.earning.lifecycle_account import START_OF_2027, Account
from tests.unit.earning.test_expiry_tables import START, shown_day, take_step
from tests.unit.earning.test_rule_tables import table


def stored(account: Account) -> ActiveAccount:
    cycle = None if account.cycle is None else cycles.encode(account.cycle)
    return ActiveAccount(account.balance, account.sequence, cycle)


def forecast_of(accounts: list[Account]) -> Forecast:
    """The forecast of a store with these accounts, as the process reads them: without suspended ones."""
    forecast = Forecast()
    timeline = Timeline(accounts[0].epochs, accounts[0].now)
    forecast.add([stored(one) for one in accounts if not one.is_suspended], timeline)
    return forecast


@pytest.mark.parametrize(
    ("case", "first", "second", "points"),
    [pytest.param(*row, id=row[0]) for row in table("expiry.md", first_heading="forecast of")],
)
def test_a_forecast_has_what_the_documentation_says(
    case: str, first: str, second: str, points: str
) -> None:
    accounts = [Account(now=START), Account(now=START)]
    for account, steps in zip(accounts, (first, second), strict=True):
        for step in steps.split("; "):
            take_step(account, step)
    assert accounts[0].epochs == accounts[1].epochs
    days = within(forecast_of(accounts).days, 90, today=accounts[0].today)
    assert (
        ", ".join(f"{shown_day(day.day)}: {day.points} ({day.customers})" for day in days) == points
    )


def test_a_forecast_is_the_sum_of_what_customers_see_in_whatever_slices_it_is_read() -> None:
    seed = random.randrange(2**32)
    print("seed", seed)
    numbers = random.Random(seed)
    # Some accounts were touched since the setting, some were not, and nothing that is past its day is posted.
    accounts = [Account(now=START_OF_2027) for _ in range(40)]
    for account in accounts:
        account.earn("old", numbers.randrange(1, 500))
        account.set_expiry(Expiry(kind="after", months=3, round="month"))
        if numbers.random() < 0.5:
            account.redeem("some", account.balance // 2)
        account.go_to(account.now + timedelta(days=30))
        if numbers.random() < 0.3:
            own = numbers.choice([account.today + 10, account.today + 50])
            account.earn("own", numbers.randrange(1, 500), last_day=own, own=True)
        account.set_expiry(Expiry(kind="yearly", dates=("03-31", "06-30")))
        if numbers.random() < 0.3:
            account.earn("new", numbers.randrange(1, 500))
        account.go_to(account.now + timedelta(days=40))
    points, customers = Counter[int](), Counter[int]()
    for account in accounts:
        for day, number in account.view().days.items():
            points[day] += number
            customers[day] += 1
    assert len(points) == 3
    whole = forecast_of(accounts).days
    assert {one.day: (one.points, one.customers) for one in whole} == {
        day: (points[day], customers[day]) for day in points
    }
    resumed: list[DayForecast] = []
    timeline = Timeline(accounts[0].epochs, accounts[0].now)
    for start in range(0, len(accounts), 7):
        forecast = Forecast(resumed)
        forecast.add(map(stored, accounts[start : start + 7]), timeline)
        resumed = forecast.days
    assert resumed == whole


def test_a_forecast_has_a_day_more_than_may_be_requested() -> None:
    account = Account(now=START)
    account.set_expiry(Expiry(kind="after", months=12))
    last = account.today + MAX_FORECAST_DAYS + 1
    for number, day in enumerate((last, last + 1)):
        account.earn(f"A{number}", 100, last_day=day, own=True)
    assert [one.day for one in forecast_of([account]).days] == [last]
