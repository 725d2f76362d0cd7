"""What the frame of every page shows: how much waits in each part."""

from msgspec import Struct

from whale_loyalty import AsyncWhaleClient


class FrameCounts(Struct, frozen=True):
    """The marks of the navigation."""

    open_anomalies: int
    open_anomalies_more: bool
    is_stuck: bool


async def load_counts(client: AsyncWhaleClient) -> FrameCounts:
    """The marks of the navigation. Raises WhaleError."""
    anomalies = await client.loyalty.anomalies.list(status="pending_review", limit=1)
    letters = await client.loyalty.dead_letters.list(limit=1)
    return FrameCounts(anomalies.total, anomalies.total_more, letters.total > 0)
