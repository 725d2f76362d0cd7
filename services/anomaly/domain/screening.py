"""Screening: which new earnings cannot be suspicious, so that the full judgment is skipped.

Judging a customer reads the whole history; most earnings never need it. Each detector says in its
`may_flag` what it needs to see before it can flag anything. Screening may let too much through to the
judgment, never too little: a property test holds every detector to that.
"""

from collections.abc import Sequence

from msgspec import Struct


class Screening(Struct, frozen=True, gc=False):
    """What is known of a new earning without reading the customer's history.

    `points` are its own. `recent` counts the customer's earnings within
    `rapid_earning.window_seconds` up to it, itself included, up to `rapid_earning.count`. `day_points`
    are all points of its UTC day so far, and `earlier_days` the points in the baselines of each earlier
    day with any, ascending.
    """

    points: int
    recent: int
    day_points: int
    earlier_days: Sequence[int]
