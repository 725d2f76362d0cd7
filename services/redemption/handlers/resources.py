"""What the use cases of redemption work with."""

from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncEngine

from libs.persistence.group_commit import GroupCommit
from libs.persistence.slow_reads import SlowReads
from services.redemption.handlers.desk import ActionRequest, ActionResult
from services.redemption.handlers.peers import Peers


class Resources(Struct, frozen=True):
    """`batches` changes redemptions, `reads` answers queries, `slow_reads` those that grow with a
    store's history, `group_commit` is the one lane of changes: concurrent requests share its
    transactions."""

    batches: AsyncEngine
    reads: AsyncEngine
    slow_reads: SlowReads
    group_commit: GroupCommit[ActionRequest, ActionResult]
    peers: Peers
