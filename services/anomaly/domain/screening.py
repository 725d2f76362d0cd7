"""Screening: which new earnings cannot be suspicious, so that the full judgment is skipped.

Judging a customer reads the whole history; most earnings never need it. Each detector says in its
`may_flag` what it needs to see before it can flag anything. Screening may let too much through to the
judgment, never too little: a property test holds every detector to that.
"""

from msgspec import Struct


class Screening(Struct, frozen=True, array_like=True):
    """What is known of a customer with new earnings without reading the history.

    `is_late`: a new earning precedes a recorded one, or may. `densest`: the most earnings within
    `rapid_earning.window_seconds` before or after a new one, counted when it arrives. `largest`: the
    points of the largest new earning. `day_points`: the points of the customer's latest UTC day with
    earnings, the new ones included. `day_limit`: from so many points on, that day may deviate; None
    where it cannot.

    store/windows.lua returns the fields in this order.
    """

    is_late: bool
    densest: int
    largest: int
    day_points: int
    day_limit: int | None = None
