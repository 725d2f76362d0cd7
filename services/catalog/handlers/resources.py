"""What the use cases of catalog work with."""

from collections.abc import Callable

from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncEngine

from services.catalog.clients import Tiers
from services.catalog.handlers.reward_pages import RewardPages


class Resources(Struct, frozen=True):
    """`write_engine` changes rewards, `read_engine` runs queries; `wake_relay` is called after a commit;
    `tiers` finds the tiers of a store."""

    write_engine: AsyncEngine
    read_engine: AsyncEngine
    pages: RewardPages
    wake_relay: Callable[[], None]
    tiers: Tiers
