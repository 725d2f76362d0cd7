"""Arrivals: numbers in the order in which orders were held and refunds received."""

from collections.abc import Sequence
from typing import Final, TypeVar

from libs.persistence.engine import Connection

# Larger than any batch: an arrival is the batch's number times this, plus the place in the batch.
_LARGEST_BATCH: Final = 100_000

# Drawn under the account locks, so that arrivals ascend for each account.
_NEXT: Final = "SELECT nextval('order_arrival')"

K = TypeVar("K", bound=tuple[str, ...])


async def draw(connection: Connection, keys: Sequence[K]) -> dict[K, int]:
    """Ascending numbers for `keys`, which are in the order of arrival."""
    if not keys:
        return {}
    batch: int = await connection.fetchval(_NEXT)
    return {key: batch * _LARGEST_BATCH + place for place, key in enumerate(keys)}
