"""The review of anomalies: what a void takes, which anomaly comes next, and the charts of the evidence."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from services.dashboard.domain import evidence, reviews
from whale_loyalty.models import Anomaly, CustomerStatus, LotRef, Order, Transaction

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
TODAY = NOON.date()


def transaction(number: int, points: int = 100, clawed_back: int | None = None) -> Transaction:
    at = NOON + timedelta(seconds=10 * number)
    return Transaction(
        id=f"txn_{number}",
        customer_id="cust_1",
        type="earn",
        points=points,
        reason="Order",
        balance_after=0,
        created_at=at,
        occurred_at=at,
        clawed_back=clawed_back,
    )


def anomaly(number: int, **values: Any) -> Anomaly:
    fields: dict[str, Any] = {
        "id": f"anom_{number}",
        "customer_id": "cust_1",
        "type": "rapid_earning",
        "description": "",
        "points_involved": 0,
        "status": "pending_review",
        "flagged_at": NOON,
    }
    return Anomaly(**(fields | values))


def label(at: datetime, value: int, measure: str) -> str:
    return f"{measure} {value} {at:%H:%M}"


def test_a_void_takes_what_was_not_clawed_back_yet() -> None:
    customer = CustomerStatus(
        customer_id="cust_1",
        points_balance=1_000,
        lifetime_points=9_000,
        tier=None,
        member_since=NOON,
    )
    shares = [
        reviews.share_of(one, {}) for one in (transaction(1, 5_000, 200), transaction(2, 2_500))
    ]
    effect = reviews.effect_of(shares, customer, TODAY)
    assert effect is not None
    assert (effect.involved, effect.already_removed, effect.removed) == (7_500, 200, 7_300)
    assert (effect.balance_after, effect.lifetime_after) == (-6_300, 1_700)
    assert effect.is_below_zero


def test_points_that_wait_are_judged_once() -> None:
    pend = msgspec.structs.replace(transaction(1, 0), type="pend", pending=500)
    release = msgspec.structs.replace(transaction(2, 500), pending=-500)
    assert list(map(evidence.is_judged, (transaction(0), pend, release))) == [True, True, False]
    assert [evidence.awarded(one) for one in (transaction(0), pend)] == [100, 500]
    numbers = {"median": 100, "mad": 67.45, "threshold": 6}
    (chart,) = evidence.charts_of("deviation", numbers, [transaction(0)], [pend], label)
    assert [placed.mark.value for placed in chart.timeline.marks] == [600]


def order(number: int, award: int, **values: Any) -> Order:
    fields: dict[str, Any] = {
        "order_id": f"o{number}",
        "state": "counted",
        "award": award,
        "clawed_back": 0,
        "refunded": Decimal(0),
        "recorded_at": NOON,
        "transaction_id": f"txn_{number}",
    }
    return Order(**(fields | values))


@pytest.mark.parametrize(
    ("state", "remaining", "waiting"),
    [
        pytest.param({"pending": 500}, 500, 500, id="pending"),
        pytest.param({"pending": 400, "clawed_back": 100}, 400, 400, id="refunded in part"),
        pytest.param({"clawed_back": 500}, 0, 0, id="refunded as a whole"),
        pytest.param({"clawed_back": 100}, 0, 0, id="given up"),
        pytest.param({"transaction_id": "txn_9", "clawed_back": 100}, 400, 0, id="released"),
    ],
)
def test_a_void_takes_what_is_left_of_points_that_had_to_wait(
    state: dict[str, Any], remaining: int, waiting: int
) -> None:
    customer = CustomerStatus(
        customer_id="cust_1", points_balance=50, lifetime_points=700, tier=None, member_since=NOON
    )
    earned = transaction(0, 100)
    pend = msgspec.structs.replace(transaction(1, 0), type="pend", pending=500, order_id="o1")
    shares = [reviews.share_of(one, {"o1": order(1, 500, **state)}) for one in (earned, pend)]
    effect = reviews.effect_of(shares, customer, TODAY)
    assert effect is not None
    assert (effect.involved, effect.removed, effect.pending) == (600, 100 + remaining, waiting)
    available = 100 + remaining - waiting
    assert (effect.balance_after, effect.lifetime_after) == (50 - available, 700 - available)
    assert not effect.may_have_expired
    assert effect.is_below_zero
    below = msgspec.structs.replace(customer, points_balance=-50)
    alone = reviews.effect_of(shares[1:], below, TODAY)
    assert alone is not None
    assert alone.is_below_zero == (remaining > waiting)
    unknown = [reviews.share_of(one, {}) for one in (earned, pend)]
    assert reviews.effect_of(unknown, customer, TODAY) is None


def test_a_void_does_not_promise_to_take_what_has_expired() -> None:
    customer = CustomerStatus(
        customer_id="cust_1", points_balance=50, lifetime_points=700, tier=None, member_since=NOON
    )
    lots = [LotRef(points=60, expires_on=TODAY), LotRef(points=40, expires_on=None)]
    earned = msgspec.structs.replace(transaction(0, 100), lots=lots)
    pend = msgspec.structs.replace(transaction(1, 0), type="pend", pending=500, order_id="o1")
    released = order(1, 500, transaction_id="txn_9", expires_on=TODAY)
    for one in (earned, pend):
        for days, has_passed in ((0, False), (1, True)):
            share = reviews.share_of(one, {"o1": released})
            effect = reviews.effect_of([share], customer, TODAY + timedelta(days=days))
            assert effect is not None
            assert effect.may_have_expired == has_passed


@pytest.mark.parametrize(
    ("current", "following"),
    [
        pytest.param("anom_1", "anom_2", id="the next of the page"),
        pytest.param("anom_3", "anom_1", id="after the last one the first"),
        pytest.param("anom_9", "anom_1", id="one that is not on the page"),
    ],
)
def test_after_a_decision_comes_the_next_one(current: str, following: str) -> None:
    assert reviews.next_after([anomaly(1), anomaly(2), anomaly(3)], current) == following
    assert reviews.next_after([anomaly(1)], "anom_1") == ""


def test_an_address_names_a_view_and_nothing_else() -> None:
    values = {"status": "voided", "type": "deviation", "customer": " a&b ", "sort": "points"}
    queue = reviews.queue_of(values)
    assert queue == reviews.Queue(status="voided", type="deviation", customer="a&b", sort="points")
    assert reviews.queue_of({"status": "x", "type": "x", "sort": "x", "done": "²"}) == (
        reviews.Queue()
    )
    assert reviews.Queue().tabs == ("open", "approved", "voided", "suspended")
    assert reviews.queue_of({"status": "shadow"}).tabs[-1] == "shadow"
    back = {name: str(value) for name, value in queue.address().items()}
    assert reviews.queue_of(back) == queue


def test_evidence_without_its_numbers_is_not_put_into_a_sentence() -> None:
    assert reviews.is_explained(anomaly(1, evidence={"count": 10, "window_seconds": 120}))
    assert not reviews.is_explained(anomaly(1, evidence={"count": 10}))
    assert not reviews.is_explained(anomaly(1, type="newer", evidence={}))


def test_a_burst_is_counted_within_its_window() -> None:
    earnings = [transaction(number) for number in (-9_000, 0, 100, 101, 102, 103)]
    burst = earnings[2:]
    numbers = {"count": 3, "window_seconds": 20}
    window, days = evidence.charts_of("rapid_earning", numbers, earnings, burst, label)
    # Both ends are included; the fourth earning is 30 s after the first.
    assert [placed.mark.value for placed in window.timeline.marks] == [1, 2, 3, 3]
    assert (window.limit, window.in_question) == (3, 4)
    assert [(placed.mark.value, placed.mark.is_marked) for placed in days.timeline.marks] == [
        (100, False),
        (500, True),
    ]
    # A single day says nothing about what is usual.
    assert len(evidence.charts_of("rapid_earning", numbers, burst, burst, label)) == 1


def test_the_limit_of_a_day_is_in_points() -> None:
    numbers = {"median": 100, "mad": 67.45, "threshold": 6}
    (chart,) = evidence.charts_of("deviation", numbers, [], [transaction(1, 5_000)], label)
    assert chart.limit == pytest.approx(100 + 600)


def test_the_limit_of_an_earning_is_a_multiple_of_the_usual_one() -> None:
    numbers = {"median": 100, "factor": 10}
    history = [transaction(1), transaction(2)]
    (chart,) = evidence.charts_of(
        "unusual_amount", numbers, history, [transaction(3, 5_000)], label
    )
    assert (chart.limit, chart.in_question, chart.total) == (1_000, 1, 3)
    assert evidence.charts_of("unusual_amount", numbers, history, [], label) == []
