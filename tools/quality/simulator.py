"""A simulated shop: honest customers, and three kinds of abuse whose earnings are known.

Honest shopping has the spread of the CDNOW history (`make demo`), in which gaps between orders and
their amounts are close to log-normal, both between customers and within one. The figures below are
the means and deviations of the logarithms, of customers with five orders or more (amounts: 3,925
customers; gaps: 2,842). That shop's customers come back every four weeks; here they come eight times
as often, as at a grocer's, so that habits can be learnt within half a year.
"""

import math
import random
from collections.abc import Iterator
from statistics import median
from typing import Final, Literal

from msgspec import Struct

Kind = Literal["burst", "inflated", "farming"]
KINDS: Final[tuple[Kind, ...]] = ("burst", "inflated", "farming")

# Natural logarithms of dollars: of customers' own means, and around each.
_AMOUNT_MEAN, _AMOUNT_BETWEEN, _AMOUNT_WITHIN = 3.335, 0.501, 0.580
# Natural logarithms of days between two orders of a customer.
_GAP_MEAN, _GAP_BETWEEN, _GAP_WITHIN = 3.328, 0.591, 1.216
_MORE_OFTEN: Final = 8
_POINTS_PER_DOLLAR: Final = 10
_DAY_MS: Final = 86_400_000

CUSTOMERS: Final = 300
DAYS: Final = 180
# Of a hundred customers, how many commit each kind of abuse, once.
_ABUSERS: Final = 5


class Earning(Struct, frozen=True):
    """An award of `points` at `at`, in milliseconds since the start; `label` is None where honest."""

    id: str
    customer_id: str
    points: int
    at: int
    label: Kind | None = None


class _Customer(Struct, frozen=True):
    """A customer's habits: means of the logarithms of dollars and of days between orders."""

    id: str
    dollars: float
    days: float


def simulate(seed: int, *, customers: int = CUSTOMERS, days: int = DAYS) -> list[Earning]:
    """All earnings of a shop in the order of time; the same for the same seed."""
    rng = random.Random(seed)  # noqa: S311  a simulation, and it must repeat
    earnings: list[Earning] = []
    for number in range(customers):
        customer = _Customer(
            f"c{number}",
            rng.gauss(_AMOUNT_MEAN, _AMOUNT_BETWEEN),
            rng.gauss(_GAP_MEAN - math.log(_MORE_OFTEN), _GAP_BETWEEN),
        )
        honest = list(_shop(customer, days, rng))
        earnings += honest
        kind = _kind_of(number)
        if kind is not None and honest:
            earnings += _ABUSE[kind](customer, honest, days, rng)
    return sorted(earnings, key=lambda one: (one.at, one.id))


def _kind_of(number: int) -> Kind | None:
    place = number % 100 // _ABUSERS
    return KINDS[place] if place < len(KINDS) else None


def _shop(customer: _Customer, days: int, rng: random.Random) -> Iterator[Earning]:
    at = rng.uniform(0, math.exp(customer.days))
    number = 0
    while at < days:
        yield _earning(customer, f"{number:05}", _dollars(customer, rng), at)
        number += 1
        at += rng.lognormvariate(customer.days, _GAP_WITHIN)


def _dollars(customer: _Customer, rng: random.Random) -> float:
    return rng.lognormvariate(customer.dollars, _AMOUNT_WITHIN)


def _burst(
    customer: _Customer, _honest: list[Earning], days: int, rng: random.Random
) -> Iterator[Earning]:
    """Eight to thirty small awards, seconds apart: some fall short of what any rule can tell."""
    at = rng.uniform(days / 2, days - 1)
    for number in range(rng.randint(8, 30)):
        dollars = _dollars(customer, rng) * rng.uniform(0.3, 1.0)
        yield _earning(customer, f"b{number:03}", dollars, at, "burst")
        at += rng.uniform(1, 12) / 86_400


def _inflated(
    _customer: _Customer, honest: list[Earning], days: int, rng: random.Random
) -> Iterator[Earning]:
    """One award of six to forty times what is usual for the customer."""
    usual = median(one.points for one in honest) / _POINTS_PER_DOLLAR
    at = rng.uniform(days / 2, days - 1)
    yield _earning(_customer, "i", usual * rng.uniform(6, 40), at, "inflated")


def _farming(
    customer: _Customer, honest: list[Earning], days: int, rng: random.Random
) -> Iterator[Earning]:
    """Five to ten days on which four to twelve times as much is earned as on a usual day, by several
    awards, each of which looks usual or nearly so."""
    per_day: dict[int, int] = {}
    for one in honest:
        per_day[one.at // _DAY_MS] = per_day.get(one.at // _DAY_MS, 0) + one.points
    usual = median(per_day.values()) / _POINTS_PER_DOLLAR
    first = rng.randint(days * 2 // 3, days - 11)
    for day in range(rng.randint(5, 10)):
        parts = rng.randint(2, 6)
        dollars = usual * rng.uniform(4, 12) / parts
        for part in range(parts):
            at = first + day + (part + rng.random()) / (parts + 1)
            share = dollars * rng.uniform(0.7, 1.3)
            yield _earning(customer, f"f{day:02}{part}", share, at, "farming")


_ABUSE: Final = {"burst": _burst, "inflated": _inflated, "farming": _farming}


def _earning(
    customer: _Customer, name: str, dollars: float, at: float, label: Kind | None = None
) -> Earning:
    points = max(int(dollars * _POINTS_PER_DOLLAR), 1)
    return Earning(f"{customer.id}-{name}", customer.id, points, int(at * _DAY_MS), label)
