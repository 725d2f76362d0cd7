"""What the use cases of redemption work with."""

from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncEngine

from libs.persistence.group_commit import GroupCommit
from libs.persistence.slow_reads import SlowReads
from services.redemption.clients import Catalog, Ledger
from services.redemption.handlers.desk import ActionRequest, ActionResult


class Resources(Struct, frozen=True):
    """`write_engine` changes redemptions, `read_engine` runs queries, and `slow_reads` runs queries
    whose cost grows with a store's history. All requests change redemptions through `group_commit`,
    which lets concurrent requests share a transaction."""

    write_engine: AsyncEngine
    read_engine: AsyncEngine
    slow_reads: SlowReads
    group_commit: GroupCommit[ActionRequest, ActionResult]
    ledger: Ledger
    catalog: Catalog
