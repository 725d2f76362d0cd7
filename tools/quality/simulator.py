"""A simulated shop: honest customers, and three kinds of abuse with labeled earnings.

Honest shopping has the spread of the CDNOW history: gaps between orders and their amounts are close to
log-normal there, both between customers and within a customer. Awards follow the demo's program: ten
points a dollar, times the multiplier of the tier held before the order.
"""

import math
import random
from collections.abc import Iterable, Iterator
from decimal import Decimal
from statistics import median
from typing import Final, Literal

from msgspec import Struct

from tools.demo.expected import points_for
from tools.quality.fit import Spread

Kind = Literal["burst", "inflated", "farming"]
KINDS: Final[tuple[Kind, ...]] = ("burst", "inflated", "farming")

# The results of tools/quality/fit.py (`make quality-fit`): for 3,925 customers, for 3,835, and for all.
DOLLARS: Final = Spread(mean=3.335, between=0.450, within=0.597)
GAPS: Final = Spread(mean=3.465, between=0.425, within=1.186)
SAME_DAY: Final = 0.030

CUSTOMERS: Final = 300
# How many of a hundred customers commit each kind of abuse, once.
_ABUSERS: Final = 5
_DAY_MS: Final = 86_400_000


class Shop(Struct, frozen=True):
    """A kind of shop: the frequency of visits as a multiple of CDNOW's, and the days simulated."""

    name: str
    frequency: int
    days: int


# Like CDNOW, over the year and a half of its history; like a grocery; like a cafeteria.
SHOPS: Final = (
    Shop("visited monthly", frequency=1, days=540),
    Shop("visited weekly", frequency=8, days=180),
    Shop("visited daily", frequency=64, days=60),
)


class Earning(Struct, frozen=True):
    """An award of `points` at `at`, in milliseconds since the start; `label` is None if honest."""

    id: str
    customer_id: str
    points: int
    at: int
    label: Kind | None = None


class _Sale(Struct, frozen=True):
    """A real or claimed purchase, `at` days after the start."""

    customer_id: str
    dollars: float
    at: float
    label: Kind | None = None


class _Customer(Struct, frozen=True):
    """A customer's habits: the means of the logarithms of dollars and of days between orders."""

    id: str
    dollars: float
    days: float

    def draw_amount(self, rng: random.Random) -> float:
        return rng.lognormvariate(self.dollars, DOLLARS.within)


def simulate(seed: int, shop: Shop, *, customers: int = CUSTOMERS) -> list[Earning]:
    """All earnings of a shop in chronological order; the same for the same seed."""
    rng = random.Random(seed)  # noqa: S311  a simulation that must be reproducible
    sales: list[_Sale] = []
    for number in range(customers):
        customer = _Customer(
            f"c{number:03}",
            rng.gauss(DOLLARS.mean, DOLLARS.between),
            rng.gauss(GAPS.mean - math.log(shop.frequency), GAPS.between),
        )
        honest = list(_shopping(customer, shop.days, rng))
        sales += honest
        kind = _kind_of(number)
        if kind is not None and honest:
            sales += _ABUSE[kind](customer, honest, shop.days, rng)
    return list(_awards(sales))


def _awards(sales: Iterable[_Sale]) -> Iterator[Earning]:
    """The awards for the sales; a sale worth no points has none."""
    lifetimes: dict[str, int] = {}
    for number, sale in enumerate(sorted(sales, key=lambda sale: (sale.at, sale.customer_id))):
        lifetime = lifetimes.get(sale.customer_id, 0)
        points = points_for(Decimal(str(round(sale.dollars, 2))), lifetime)
        if points:
            lifetimes[sale.customer_id] = lifetime + points
            at = int(sale.at * _DAY_MS)
            yield Earning(f"e{number:06}", sale.customer_id, points, at, sale.label)


def _kind_of(number: int) -> Kind | None:
    index = number % 100 // _ABUSERS
    return KINDS[index] if index < len(KINDS) else None


def _shopping(customer: _Customer, days: int, rng: random.Random) -> Iterator[_Sale]:
    at = rng.uniform(0, math.exp(customer.days))
    while at < days:
        yield _Sale(customer.id, customer.draw_amount(rng), at)
        same_day = rng.random() < SAME_DAY
        # The history contains only days; here a second order of a day follows within hours.
        at += rng.uniform(0, 0.25) if same_day else rng.lognormvariate(customer.days, GAPS.within)


def _burst(
    customer: _Customer, _honest: list[_Sale], days: int, rng: random.Random
) -> Iterator[_Sale]:
    """Eight to thirty small awards, seconds apart; the smallest bursts look honest to any rule."""
    at = rng.uniform(days / 2, days - 1)
    for _ in range(rng.randint(8, 30)):
        yield _Sale(customer.id, customer.draw_amount(rng) * rng.uniform(0.3, 1.0), at, "burst")
        at += rng.uniform(1, 12) / 86_400


def _inflated(
    customer: _Customer, honest: list[_Sale], days: int, rng: random.Random
) -> Iterator[_Sale]:
    """One award of six to forty times the customer's usual amount."""
    usual = median(sale.dollars for sale in honest)
    at = rng.uniform(days / 2, days - 1)
    yield _Sale(customer.id, usual * rng.uniform(6, 40), at, "inflated")


def _farming(
    customer: _Customer, honest: list[_Sale], days: int, rng: random.Random
) -> Iterator[_Sale]:
    """Five to ten days with four to twelve times the customer's usual amount of a day, in several
    awards that each look usual or nearly so."""
    by_day: dict[int, float] = {}
    for sale in honest:
        by_day[int(sale.at)] = by_day.get(int(sale.at), 0) + sale.dollars
    usual = median(by_day.values())
    first = rng.randint(days * 2 // 3, days - 11)
    for day in range(rng.randint(5, 10)):
        parts = rng.randint(2, 6)
        dollars = usual * rng.uniform(4, 12) / parts
        for part in range(parts):
            at = first + day + (part + rng.random()) / (parts + 1)
            yield _Sale(customer.id, dollars * rng.uniform(0.7, 1.3), at, "farming")


_ABUSE: Final = {"burst": _burst, "inflated": _inflated, "farming": _farming}
