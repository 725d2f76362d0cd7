"""A simulated shop: honest customers, and three kinds of abuse whose earnings are known.

Honest shopping has the spread of the CDNOW history: gaps between orders and their amounts are close to
log-normal there, both between customers and within one. Awards are what the demo's programme gives:
ten points a dollar, times the multiplier of the tier held before.
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

# As tools/quality/fit.py finds them (`make quality-fit`): of 3,925 customers, of 3,835, and of all.
DOLLARS: Final = Spread(mean=3.335, between=0.450, within=0.597)
GAPS: Final = Spread(mean=3.465, between=0.425, within=1.186)
SAME_DAY: Final = 0.030

CUSTOMERS: Final = 300
# Of a hundred customers, how many commit each kind of abuse, once.
_ABUSERS: Final = 5
_DAY_MS: Final = 86_400_000


class Shop(Struct, frozen=True):
    """How many times as often as at CDNOW its customers come, and for how many days it is watched."""

    name: str
    often: int
    days: int


# As at CDNOW, over the year and a half of its history; as at a grocer's; as in a canteen.
SHOPS: Final = (
    Shop("visited monthly", often=1, days=540),
    Shop("visited weekly", often=8, days=180),
    Shop("visited daily", often=64, days=60),
)


class Earning(Struct, frozen=True):
    """An award of `points` at `at`, in milliseconds since the start; `label` is None where honest."""

    id: str
    customer_id: str
    points: int
    at: int
    label: Kind | None = None


class _Sale(Struct, frozen=True):
    """What was or is said to have been bought, `at` days after the start."""

    customer_id: str
    dollars: float
    at: float
    label: Kind | None = None


class _Customer(Struct, frozen=True):
    """A customer's habits: means of the logarithms of dollars and of days between orders."""

    id: str
    dollars: float
    days: float

    def spends(self, rng: random.Random) -> float:
        return rng.lognormvariate(self.dollars, DOLLARS.within)


def simulate(seed: int, shop: Shop, *, customers: int = CUSTOMERS) -> list[Earning]:
    """All earnings of a shop in the order of time; the same for the same seed."""
    rng = random.Random(seed)  # noqa: S311  a simulation, and it must repeat
    sales: list[_Sale] = []
    for number in range(customers):
        customer = _Customer(
            f"c{number:03}",
            rng.gauss(DOLLARS.mean, DOLLARS.between),
            rng.gauss(GAPS.mean - math.log(shop.often), GAPS.between),
        )
        honest = list(_shopping(customer, shop.days, rng))
        sales += honest
        kind = _kind_of(number)
        if kind is not None and honest:
            sales += _ABUSE[kind](customer, honest, shop.days, rng)
    return list(_awards(sales))


def _awards(sales: Iterable[_Sale]) -> Iterator[Earning]:
    """What the programme gives for the sales; one worth no point makes no award."""
    earned: dict[str, int] = {}
    for number, sale in enumerate(sorted(sales, key=lambda one: (one.at, one.customer_id))):
        before = earned.get(sale.customer_id, 0)
        points = points_for(Decimal(str(round(sale.dollars, 2))), before)
        if points:
            earned[sale.customer_id] = before + points
            at = int(sale.at * _DAY_MS)
            yield Earning(f"e{number:06}", sale.customer_id, points, at, sale.label)


def _kind_of(number: int) -> Kind | None:
    place = number % 100 // _ABUSERS
    return KINDS[place] if place < len(KINDS) else None


def _shopping(customer: _Customer, days: int, rng: random.Random) -> Iterator[_Sale]:
    at = rng.uniform(0, math.exp(customer.days))
    while at < days:
        yield _Sale(customer.id, customer.spends(rng), at)
        again = rng.random() < SAME_DAY
        # The history knows days only: a second order of a day comes within hours.
        at += rng.uniform(0, 0.25) if again else rng.lognormvariate(customer.days, GAPS.within)


def _burst(
    customer: _Customer, _honest: list[_Sale], days: int, rng: random.Random
) -> Iterator[_Sale]:
    """Eight to thirty small awards, seconds apart: some fall short of what any rule can tell."""
    at = rng.uniform(days / 2, days - 1)
    for _ in range(rng.randint(8, 30)):
        yield _Sale(customer.id, customer.spends(rng) * rng.uniform(0.3, 1.0), at, "burst")
        at += rng.uniform(1, 12) / 86_400


def _inflated(
    customer: _Customer, honest: list[_Sale], days: int, rng: random.Random
) -> Iterator[_Sale]:
    """One award of six to forty times what is usual for the customer."""
    usual = median(one.dollars for one in honest)
    at = rng.uniform(days / 2, days - 1)
    yield _Sale(customer.id, usual * rng.uniform(6, 40), at, "inflated")


def _farming(
    customer: _Customer, honest: list[_Sale], days: int, rng: random.Random
) -> Iterator[_Sale]:
    """Five to ten days on which four to twelve times as much is earned as on a usual day, by several
    awards, each of which looks usual or nearly so."""
    of_day: dict[int, float] = {}
    for one in honest:
        of_day[int(one.at)] = of_day.get(int(one.at), 0) + one.dollars
    usual = median(of_day.values())
    first = rng.randint(days * 2 // 3, days - 11)
    for day in range(rng.randint(5, 10)):
        parts = rng.randint(2, 6)
        dollars = usual * rng.uniform(4, 12) / parts
        for part in range(parts):
            at = first + day + (part + rng.random()) / (parts + 1)
            yield _Sale(customer.id, dollars * rng.uniform(0.7, 1.3), at, "farming")


_ABUSE: Final = {"burst": _burst, "inflated": _inflated, "farming": _farming}
