"""Counting the matches of a list, up to a limit."""

from typing import Any, Final

from sqlalchemy import Select, func, select

from libs.persistence.engine import Connection
from libs.persistence.statement import fetch

# An exact count beyond this would scan the store's whole history for a figure that few people need.
COUNT_LIMIT: Final = 10_000


async def count_matches(connection: Connection, matches: Select[Any]) -> int:
    """How many rows `matches` selects, up to COUNT_LIMIT + 1."""
    count = select(func.count()).select_from(matches.limit(COUNT_LIMIT + 1).subquery())
    (row,) = await fetch(connection, count)
    counted: int = row[0]
    return counted
