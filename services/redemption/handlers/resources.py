"""What the use cases of redemption work with."""

from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncEngine

from libs.persistence.group_commit import GroupCommit
from libs.persistence.slow_reads import SlowReads
from services.redemption.clients import Catalog, Ledger
from services.redemption.handlers.desk import ActionRequest, ActionResult


class Resources(Struct, frozen=True):
    """`batches` changes redemptions, `reads` runs queries, `slow_reads` runs queries that grow with a
    store's history. All requests change redemptions through `group_commit`, which lets concurrent
    requests share a transaction."""

    batches: AsyncEngine
    reads: AsyncEngine
    slow_reads: SlowReads
    group_commit: GroupCommit[ActionRequest, ActionResult]
    ledger: Ledger
    catalog: Catalog
