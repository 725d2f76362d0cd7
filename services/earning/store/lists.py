"""Counting the matches of a list."""

from typing import Any

from sqlalchemy import Select, func, select

from libs.persistence.engine import Connection
from libs.persistence.pages import COUNT_LIMIT
from libs.persistence.statement import fetch


async def count_matches(connection: Connection, matches: Select[Any]) -> int:
    """How many rows `matches` selects, up to COUNT_LIMIT + 1."""
    count = select(func.count()).select_from(matches.limit(COUNT_LIMIT + 1).subquery())
    (row,) = await fetch(connection, count)
    counted: int = row[0]
    return counted
