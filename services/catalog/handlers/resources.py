"""What the use cases of catalog work with."""

from collections.abc import Callable

from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncEngine

from services.catalog.clients import Tiers
from services.catalog.handlers.reward_pages import RewardPages


class Resources(Struct, frozen=True):
    """`writes` changes rewards, `reads` runs queries; `wake_relay` is called after a commit; `tiers`
    knows the tiers of a store."""

    writes: AsyncEngine
    reads: AsyncEngine
    pages: RewardPages
    wake_relay: Callable[[], None]
    tiers: Tiers
