"""The store's totals."""

from datetime import date

from whale_loyalty.models.base import Model


class Day(Model, frozen=True, kw_only=True):
    """The points of one UTC day, by the time of the events; all but `adjusted` are positive.

    `outstanding` is the points of all customers at the end of the day, `joined` the number of customers whose
    first event is on that day.
    """

    date: date
    issued: int
    redeemed: int
    taken_back: int
    expired: int
    active_customers: int
    adjusted: int = 0
    outstanding: int | None = None
    joined: int = 0


class TierCount(Model, frozen=True, kw_only=True):
    """The number of customers that hold a tier now."""

    name: str
    customers: int


class Summary(Model, frozen=True, kw_only=True):
    """The store's totals, at most five seconds old; days without transactions are omitted.

    `first_day` and `last_day` are the first and last day with transactions ever. `points_pending` wait, and are
    issued once they are released, on the day of their order.
    """

    days: list[Day]
    points_outstanding: int
    customers: int
    tiers: list[TierCount]
    first_day: date | None = None
    last_day: date | None = None
    points_pending: int = 0
