"""Points that expire, and points that wait."""

from datetime import date, datetime

from whale_loyalty.models.base import Model


class ExpiringPoints(Model, frozen=True, kw_only=True):
    """Points that can be spent through the last day `expires_on`, which ends at `expires_at`."""

    points: int
    expires_on: date
    expires_at: datetime


class ForecastDay(Model, frozen=True, kw_only=True):
    """Points of so many `customers` that can be spent through the last day `expires_on`, which ends at
    `expires_at`."""

    points: int
    customers: int
    expires_on: date
    expires_at: datetime


class ExpirationForecast(Model, frozen=True, kw_only=True):
    """The points of all customers whose last day is from `starts_on`, today, to `ends_on`, by last day, and their
    sum `points`. They were read at `as_of`, and expire then if nothing else happens. The three are None, and there
    is no day, while nothing can expire."""

    as_of: datetime | None
    starts_on: date | None
    ends_on: date | None
    points: int
    data: list[ForecastDay]


class PendingPoints(Model, frozen=True, kw_only=True):
    """The points of an order that wait, by the transaction that posted them. They are released at
    `available_at`; None while they wait for the order to be fulfilled. If it is not, they are given up at
    `gives_up_at`."""

    transaction_id: str
    order_id: str
    points: int
    available_at: datetime | None
    waits_for: str | None = None
    gives_up_at: datetime | None = None
