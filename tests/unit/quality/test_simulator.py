"""The simulator is reproducible, labels its abuse, and has the spread of the fit."""

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

WEEKLY = Shop("a small shop", frequency=8, days=120)
DAY_MS = 86_400_000


@pytest.fixture(scope="module")
def earnings() -> list[Earning]:
    return simulate(1, WEEKLY, customers=100)


def by_customer(earnings: list[Earning], label: str) -> dict[str, list[Earning]]:
    grouped: dict[str, list[Earning]] = {}
    for earning in earnings:
        if earning.label == label:
            grouped.setdefault(earning.customer_id, []).append(earning)
    return grouped


@pytest.mark.parametrize("shop", SHOPS, ids=lambda shop: shop.name)
def test_the_same_seed_gives_the_same_shop_and_another_seed_another_shop(shop: Shop) -> None:
    assert simulate(1, shop, customers=20) == simulate(1, shop, customers=20)
    assert simulate(1, shop, customers=20) != simulate(2, shop, customers=20)


def test_earnings_are_in_chronological_order_with_unique_ids(earnings: list[Earning]) -> None:
    assert [earning.at for earning in earnings] == sorted(earning.at for earning in earnings)
    assert len({earning.id for earning in earnings}) == len(earnings)


def test_five_of_a_hundred_customers_commit_each_kind_of_abuse_and_none_commits_two(
    earnings: list[Earning],
) -> None:
    abusers = Counter(id_ for kind in KINDS for id_ in by_customer(earnings, kind))
    assert [len(by_customer(earnings, kind)) for kind in KINDS] == [5, 5, 5]
    assert set(abusers.values()) == {1}


def test_a_burst_is_eight_to_thirty_awards_within_minutes(
    earnings: list[Earning],
) -> None:
    for burst in by_customer(earnings, "burst").values():
        assert 8 <= len(burst) <= 30
        assert burst[-1].at - burst[0].at <= 30 * 12_000


def test_an_inflated_award_is_many_times_the_usual_amount(
    earnings: list[Earning],
) -> None:
    for customer_id, inflated in by_customer(earnings, "inflated").items():
        honest = [o.points for o in earnings if o.customer_id == customer_id and o.label is None]
        assert len(inflated) == 1
        # The tier may have changed in between: by a factor of up to three, either way.
        assert inflated[0].points >= 2 * median(honest)
        assert inflated[0].points > max(honest) / 3


def test_farming_raises_the_totals_of_five_to_ten_days(
    earnings: list[Earning],
) -> None:
    for customer_id, farmed in by_customer(earnings, "farming").items():
        days = Counter(earning.at // DAY_MS for earning in farmed)
        assert 5 <= len(days) <= 10
        assert all(2 <= count <= 6 for count in days.values())
        honest: Counter[int] = Counter()
        for earning in earnings:
            if earning.customer_id == customer_id and earning.label is None:
                honest[earning.at // DAY_MS] += earning.points
        totals = [sum(o.points for o in farmed if o.at // DAY_MS == day) for day in days]
        assert median(totals) > 2 * median(honest.values())


def test_a_higher_tier_multiplies_awards() -> None:
    assert [
        points_for(Decimal("50.00"), before) for before in (0, 4_999, 5_000, 15_000, 50_000)
    ] == [
        500,
        500,
        750,
        1_000,
        1_500,
    ]
    # With one rate for all, no customer's awards would grow with the points earned before.
    daily = [o for o in simulate(1, SHOPS[-1], customers=60) if o.label is None]
    middle = daily[len(daily) // 2].at
    early = median(earning.points for earning in daily if earning.at < middle)
    assert median(earning.points for earning in daily if earning.at >= middle) > 1.15 * early


def test_a_fit_recovers_the_parameters_of_generated_shopping() -> None:
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
    fitted = fit(purchases)
    assert fitted.dollars.mean == pytest.approx(3.0, abs=0.1)
    assert fitted.dollars.between == pytest.approx(0.5, abs=0.05)
    assert fitted.dollars.within == pytest.approx(0.6, abs=0.03)
    assert fitted.days.within == pytest.approx(0.5, abs=0.03)
    assert fitted.days.between == pytest.approx(0.3, abs=0.05)
    assert fitted.same_day == pytest.approx(0.0, abs=0.005)
    assert fitted.customers == {"dollars": 400, "days": 400}


def test_a_second_order_of_a_day_counts_as_same_day_and_not_as_a_gap() -> None:
    noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    days = [0, 0, 1, 2, 3, 4]
    fitted = fit(
        Purchase("", customer, Decimal(20), noon + timedelta(days=day))
        for customer in ("c1", "c2")
        for day in days
    )
    assert fitted.same_day == pytest.approx(1 / 6)
    assert fitted.days.mean == 0.0


def test_the_variance_of_small_groups_is_no_difference_between_customers() -> None:
    rng = random.Random(5)
    alike = [[rng.gauss(1.0, 1.0) for _ in range(5)] for _ in range(500)]
    assert spread_of(alike).between < 0.25
    assert spread_of([[0.0, 0.0], [math.log(4), math.log(4)]]).between == pytest.approx(
        math.log(4) / math.sqrt(2)
    )
