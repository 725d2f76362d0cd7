"""How many of each reward are in use, counted from the ledger's transactions: for display only."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine

from libs.contracts.events import PointsPosted
from libs.persistence.engine import transaction
from services.catalog import store as rewards_db
from services.catalog.store import UsageChange

_CHANGES: Final = {"redeem": 1, "cancel": -1}


def find_change(event: PointsPosted) -> UsageChange | None:
    """What a ledger transaction changes in the usage of a reward; None for most transactions."""
    change = _CHANGES.get(event.type)
    if change is None or event.reward is None:
        return None
    return UsageChange(event.store_id, event.transaction_id, event.reward.id, change)


async def count(engine: AsyncEngine, changes: Sequence[UsageChange | None]) -> None:
    """Count each transaction once, however often it is delivered."""
    unique = {
        (change.store_id, change.transaction_id): change for change in changes if change is not None
    }
    if unique:
        async with transaction(engine) as connection:
            await rewards_db.count(connection, list(unique.values()))
