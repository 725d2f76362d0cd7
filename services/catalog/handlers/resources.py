"""What the use cases of catalog work with."""

from collections.abc import Callable

from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncEngine

from services.catalog.handlers.listing import Listing


class Resources(Struct, frozen=True):
    """`writes` changes rewards, `reads` answers queries; `wake_relay` is called after a commit."""

    writes: AsyncEngine
    reads: AsyncEngine
    listing: Listing
    wake_relay: Callable[[], None]
