"""What the frame of every page shows: how much waits in each part."""

import asyncio

from msgspec import Struct

from services.dashboard.handlers.pipeline import load_health
from whale_loyalty import AsyncWhaleClient


class FrameCounts(Struct, frozen=True):
    """The marks of the navigation."""

    open_anomalies: int
    open_anomalies_more: bool
    is_stuck: bool


async def load_counts(client: AsyncWhaleClient) -> FrameCounts:
    """The marks of the navigation. Raises WhaleError."""
    anomalies, letters, health = await asyncio.gather(
        client.loyalty.anomalies.list(status=("pending_review", "in_review"), limit=1),
        client.loyalty.dead_letters.list(limit=1),
        load_health(client),
    )
    is_stuck = letters.total > 0 or health.is_in_trouble
    return FrameCounts(anomalies.total, anomalies.total_more, is_stuck)
