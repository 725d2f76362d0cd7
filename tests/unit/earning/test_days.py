"""On which days an account is active for the first time."""

from datetime import timedelta
from typing import Final

import pytest

from services.earning.domain.days import settle
from tests.unit.earning.builders import NOON, STORE, Ledger, books, order

DAY: Final = NOON.date()


def posted(ledger: Ledger, *days: int) -> Ledger:
    """The books with an order of the customer on each of these days, in this order."""
    for number, day in enumerate(days):
        ledger.post(order(f"{number}", occurred_at=NOON + timedelta(days=day)))
    return ledger


def registered(ledger: Ledger) -> dict[int, bool | None]:
    """By day: whether the customer is registered as active, None if only the entries say so."""
    return {
        (day - DAY).days: None if change.unsure else bool(change.account_ids)
        for (_, day), change in ledger.days.items()
    }


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        pytest.param([0, 0, 1], {0: True, 1: True}, id="in the order of time"),
        pytest.param([0, -1, 0], {0: True, -1: None}, id="an earlier day"),
        pytest.param([0, 1, 0], {0: True, 1: True}, id="back on a day of the batch"),
        pytest.param([0, -1, -1], {0: True, -1: None}, id="twice on an earlier day"),
    ],
)
def test_a_new_customer_is_active_on_each_later_day(
    days: list[int], expected: dict[int, bool | None]
) -> None:
    assert registered(posted(books(), *days)) == expected


@pytest.mark.parametrize(
    ("last_day", "days", "expected"),
    [
        pytest.param(0, [0, 1], {0: False, 1: True}, id="the latest day is known"),
        pytest.param(0, [-1], {-1: None}, id="an earlier day than the latest"),
        pytest.param(None, [0, 1], {0: None, 1: None}, id="the latest day is not known"),
    ],
)
def test_a_customer_with_entries_is_active_on_days_after_the_latest_one(
    last_day: int | None, days: list[int], expected: dict[int, bool | None]
) -> None:
    ledger = books()
    account = ledger.account(STORE, "cust_1")
    account.sequence = 7
    account.last_day = None if last_day is None else DAY + timedelta(days=last_day)
    assert registered(posted(ledger, *days)) == expected


def test_the_entries_settle_what_a_batch_is_unsure_of_and_the_latest_day() -> None:
    ledger = books()
    account = ledger.account(STORE, "cust_1")
    account.sequence = 7
    posted(ledger, 0, 1)
    active = {(account.id, DAY), (account.id, DAY + timedelta(days=5))}
    settle(ledger.days, [account], active)
    assert registered(ledger) == {0: False, 1: True}
    assert (account.last_day, account.last_day_changed) == (DAY + timedelta(days=5), True)


def test_a_known_latest_day_stays() -> None:
    ledger = posted(books(), 0, -1)
    account = ledger.account(STORE, "cust_1")
    settle(ledger.days, [account], set())
    assert registered(ledger) == {0: True, -1: True}
    assert account.last_day == DAY
