"""The resources that the composition root gives to the routes."""

from collections.abc import Callable

from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncEngine

from libs.persistence.slow_reads import SlowReads
from libs.web.requests import AnyRequest
from services.earning.handlers.clock import StoreClocks
from services.earning.handlers.posting import PostingGroup
from services.earning.handlers.shop_events import Publish
from services.earning.handlers.summary import Summaries


class Resources(Struct, frozen=True):
    """`write_engine` writes the ledger, `read_engine` is for reads by key, and `slow_reads` for reads
    whose cost grows with a store's history. `group_commit` lets concurrent requests share a transaction of the
    ledger. `clocks` are what the stores call now."""

    write_engine: AsyncEngine
    read_engine: AsyncEngine
    slow_reads: SlowReads
    group_commit: PostingGroup
    summaries: Summaries
    clocks: StoreClocks
    publish: Publish
    wake_relay: Callable[[], None]


def resources_of(request: AnyRequest) -> Resources:
    """The resources of the app that `request` belongs to."""
    resources: Resources = request.app.state["resources"]
    return resources
