"""The simulator repeats itself, plants what it says, and spreads as it was fitted."""

import math
import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from statistics import median

import pytest

from tools.demo.expected import points_for
from tools.demo.history import Purchase
from tools.quality.fit import fit, spread_of
from tools.quality.simulator import KINDS, SHOPS, Earning, Shop, simulate

WEEKLY = Shop("a small one", often=8, days=120)
DAY_MS = 86_400_000


@pytest.fixture(scope="module")
def earnings() -> list[Earning]:
    return simulate(1, WEEKLY, customers=100)


def by_customer(earnings: list[Earning], label: str) -> dict[str, list[Earning]]:
    found: dict[str, list[Earning]] = {}
    for one in earnings:
        if one.label == label:
            found.setdefault(one.customer_id, []).append(one)
    return found


@pytest.mark.parametrize("shop", SHOPS, ids=lambda shop: shop.name)
def test_the_same_seed_is_the_same_shop_and_another_is_another(shop: Shop) -> None:
    assert simulate(1, shop, customers=20) == simulate(1, shop, customers=20)
    assert simulate(1, shop, customers=20) != simulate(2, shop, customers=20)


def test_earnings_are_in_the_order_of_time_and_each_has_its_id(earnings: list[Earning]) -> None:
    assert [one.at for one in earnings] == sorted(one.at for one in earnings)
    assert len({one.id for one in earnings}) == len(earnings)


def test_five_of_a_hundred_commit_each_kind_and_nobody_two(earnings: list[Earning]) -> None:
    culprits = Counter(id_ for kind in KINDS for id_ in by_customer(earnings, kind))
    assert [len(by_customer(earnings, kind)) for kind in KINDS] == [5, 5, 5]
    assert set(culprits.values()) == {1}


def test_what_is_labelled_a_burst_is_eight_to_thirty_awards_within_minutes(
    earnings: list[Earning],
) -> None:
    for burst in by_customer(earnings, "burst").values():
        assert 8 <= len(burst) <= 30
        assert burst[-1].at - burst[0].at <= 30 * 12_000


def test_what_is_labelled_inflated_is_one_award_many_times_the_usual(
    earnings: list[Earning],
) -> None:
    for customer_id, inflated in by_customer(earnings, "inflated").items():
        honest = [o.points for o in earnings if o.customer_id == customer_id and o.label is None]
        assert len(inflated) == 1
        # The tier may lie between: up to three times, either way.
        assert inflated[0].points >= 2 * median(honest)
        assert inflated[0].points > max(honest) / 3


def test_what_is_labelled_farming_is_a_raised_total_on_five_to_ten_days(
    earnings: list[Earning],
) -> None:
    for customer_id, farmed in by_customer(earnings, "farming").items():
        days = Counter(one.at // DAY_MS for one in farmed)
        assert 5 <= len(days) <= 10
        assert all(2 <= count <= 6 for count in days.values())
        honest: Counter[int] = Counter()
        for one in earnings:
            if one.customer_id == customer_id and one.label is None:
                honest[one.at // DAY_MS] += one.points
        totals = [sum(o.points for o in farmed if o.at // DAY_MS == day) for day in days]
        assert median(totals) > 2 * median(honest.values())


def test_a_higher_tier_multiplies_awards() -> None:
    assert [points_for(Decimal("50.00"), before) for before in (0, 4_999, 5_000, 15_000, 50_000)] == [
        500,
        500,
        750,
        1_000,
        1_500,
    ]
    # At one rate for all, nobody's awards would grow with what was earned before.
    daily = [o for o in simulate(1, SHOPS[-1], customers=60) if o.label is None]
    middle = daily[len(daily) // 2].at
    early = median(one.points for one in daily if one.at < middle)
    assert median(one.points for one in daily if one.at >= middle) > 1.15 * early


def test_a_fit_finds_what_shopping_was_made_with() -> None:
    rng = random.Random(4)
    start = datetime(2026, 1, 1, tzinfo=UTC)
    purchases = []
    for number in range(400):
        dollars, days, at = rng.gauss(3.0, 0.5), rng.gauss(4.5, 0.3), 0.0
        for _ in range(12):
            paid = Decimal(str(round(rng.lognormvariate(dollars, 0.6), 2)))
            when = start + timedelta(days=at)
            purchases.append(Purchase("", f"c{number}", paid, when))
            at += rng.lognormvariate(days, 0.5)
    found = fit(purchases)
    assert found.dollars.mean == pytest.approx(3.0, abs=0.1)
    assert found.dollars.between == pytest.approx(0.5, abs=0.05)
    assert found.dollars.within == pytest.approx(0.6, abs=0.03)
    assert found.days.within == pytest.approx(0.5, abs=0.03)
    assert found.days.between == pytest.approx(0.3, abs=0.05)
    assert found.same_day == pytest.approx(0.0, abs=0.005)
    assert found.customers == {"dollars": 400, "days": 400}


def test_orders_of_one_day_are_counted_apart_from_gaps() -> None:
    noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    days = [0, 0, 1, 2, 3, 4]
    found = fit(
        Purchase("", customer, Decimal(20), noon + timedelta(days=day))
        for customer in ("c1", "c2")
        for day in days
    )
    assert found.same_day == pytest.approx(1 / 6)
    assert found.days.mean == 0.0


def test_means_of_few_values_are_not_taken_for_differences_between_customers() -> None:
    rng = random.Random(5)
    alike = [[rng.gauss(1.0, 1.0) for _ in range(5)] for _ in range(500)]
    assert spread_of(alike).between < 0.25
    assert spread_of([[0.0, 0.0], [math.log(4), math.log(4)]]).between == pytest.approx(
        math.log(4) / math.sqrt(2)
    )
