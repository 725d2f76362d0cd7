"""Dates of their own, as requests name them."""

from msgspec import UNSET, UnsetType

from libs.kernel.clock import parse_date
from services.earning.domain.dates import NEVER, Day, to_day


def last_day(expires_on: str | UnsetType | None) -> Day | None:
    """The last day of points, NEVER for null, and None for points that follow the setting of the program.
    `expires_on` was checked."""
    if expires_on is UNSET:
        return None
    return NEVER if expires_on is None else to_day(parse_date(expires_on))
