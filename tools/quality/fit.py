"""The parameters of honest shopping, fitted to the CDNOW history that `make demo` posts."""

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from statistics import fmean, variance
from typing import Final

from msgspec import Struct

from tools.demo.history import Purchase

# Fewer purchases do not show the spread within a customer.
_MIN_ORDERS: Final = 5


class Spread(Struct, frozen=True):
    """A log-normal distribution, in natural logarithms: the mean of the customers' means, the standard
    deviation between those means, and the standard deviation within a customer."""

    mean: float
    between: float
    within: float


class Fit(Struct, frozen=True):
    """Dollars of an order, days between two days with orders, and the share of orders that are not
    their customer's first of the day; `customers` is the sample size of the first two."""

    dollars: Spread
    days: Spread
    same_day: float
    customers: Mapping[str, int]


def fit(purchases: Iterable[Purchase]) -> Fit:
    """Fit dollars to the customers with five orders or more, days to those with five days with orders
    or more, and `same_day` to all customers."""
    dollars: dict[str, list[float]] = {}
    days: dict[str, set[int]] = {}
    orders = 0
    for purchase in purchases:
        orders += 1
        days.setdefault(purchase.customer_id, set()).add(purchase.at.toordinal())
        if purchase.dollars:
            dollars.setdefault(purchase.customer_id, []).append(math.log(purchase.dollars))
    amounts = [logs for logs in dollars.values() if len(logs) >= _MIN_ORDERS]
    gaps = [
        [math.log(later - day) for day, later in pairwise(sorted(own))]
        for own in days.values()
        if len(own) >= _MIN_ORDERS
    ]
    same_day = 1 - sum(map(len, days.values())) / orders
    sizes = {"dollars": len(amounts), "days": len(gaps)}
    return Fit(spread_of(amounts), spread_of(gaps), same_day, sizes)


def spread_of(groups: Sequence[Sequence[float]]) -> Spread:
    """Split the variance of logarithms, one group per customer with two values or more.

    The mean of a small group has a variance of its own: the variance within the group, divided by its
    size. It is not a difference between customers, and is subtracted.
    """
    means = [fmean(group) for group in groups]
    squares = sum(
        (value - mean) ** 2 for group, mean in zip(groups, means, strict=True) for value in group
    )
    within = squares / sum(len(group) - 1 for group in groups)
    sampling_variance = within * fmean(1 / len(group) for group in groups)
    between = max(variance(means) - sampling_variance, 0.0)
    return Spread(fmean(means), math.sqrt(between), math.sqrt(within))
