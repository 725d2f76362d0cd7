"""The figures of honest shopping, fitted to the CDNOW history that `make demo` posts."""

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from statistics import fmean, variance
from typing import Final

from msgspec import Struct

from tools.demo.history import Purchase

# A spread within a customer cannot be told from fewer purchases.
_LEAST_ORDERS: Final = 5


class Spread(Struct, frozen=True):
    """Log-normal values: of natural logarithms, the mean of the customers' means, the deviation
    between these, and the deviation within one customer."""

    mean: float
    between: float
    within: float


class Fit(Struct, frozen=True):
    """Dollars of an order, days between two days with orders, and the share of the orders that are
    not their customer's first of the day; and how many `customers` tell of the first two."""

    dollars: Spread
    days: Spread
    same_day: float
    customers: Mapping[str, int]


def fit(purchases: Iterable[Purchase]) -> Fit:
    """Fit to the customers with five orders (gaps: five days with orders) or more; `same_day` to
    all."""
    dollars: dict[str, list[float]] = {}
    days: dict[str, set[int]] = {}
    orders = 0
    for one in purchases:
        orders += 1
        days.setdefault(one.customer_id, set()).add(one.at.toordinal())
        if one.dollars:
            dollars.setdefault(one.customer_id, []).append(math.log(one.dollars))
    amounts = [logs for logs in dollars.values() if len(logs) >= _LEAST_ORDERS]
    gaps = [
        [math.log(later - day) for day, later in pairwise(sorted(own))]
        for own in days.values()
        if len(own) >= _LEAST_ORDERS
    ]
    same_day = 1 - sum(map(len, days.values())) / orders
    sizes = {"dollars": len(amounts), "days": len(gaps)}
    return Fit(spread_of(amounts), spread_of(gaps), same_day, sizes)


def spread_of(groups: Sequence[Sequence[float]]) -> Spread:
    """Split the variance of `groups` of logarithms, one a customer and two or more in each.

    A mean of few values scatters by itself: by what is within, over their number. That much is not
    a difference between customers, and is taken off.
    """
    means = [fmean(group) for group in groups]
    squares = sum(
        (value - mean) ** 2 for group, mean in zip(groups, means, strict=True) for value in group
    )
    within = squares / sum(len(group) - 1 for group in groups)
    by_chance = within * fmean(1 / len(group) for group in groups)
    between = max(variance(means) - by_chance, 0.0)
    return Spread(fmean(means), math.sqrt(between), math.sqrt(within))
