"""What is in use of each reward, counted from the ledger's transactions: for display alone."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine

from libs.contracts.events import PointsPosted
from libs.persistence.engine import transaction
from services.catalog import store
from services.catalog.store import Use

_CHANGES: Final = {"redeem": 1, "cancel": -1}


def use_of(posted: PointsPosted) -> Use | None:
    """What a ledger transaction changes in the use of a reward; None for most."""
    change = _CHANGES.get(posted.type)
    if change is None or posted.reward is None:
        return None
    return Use(posted.store_id, posted.transaction_id, posted.reward.id, change)


async def count(engine: AsyncEngine, uses: Sequence[Use | None]) -> None:
    """Count each transaction once, however often it comes."""
    fresh = {(use.store_id, use.transaction_id): use for use in uses if use is not None}
    if fresh:
        async with transaction(engine) as connection:
            await store.count(connection, list(fresh.values()))
