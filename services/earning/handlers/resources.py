"""What the use cases of earning work with."""

from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncEngine

from libs.persistence.group_commit import GroupCommit
from libs.persistence.slow_reads import SlowReads
from services.earning.handlers.intake import Publish
from services.earning.handlers.posting import PostingRequest, PostingResult
from services.earning.handlers.summary import Summaries


class Resources(Struct, frozen=True):
    """`batches` writes the ledger, `reads` answers queries, `slow_reads` those that grow with a
    store's history, `group_commit` is the HTTP lane into the ledger: concurrent requests share its
    transactions."""

    batches: AsyncEngine
    reads: AsyncEngine
    slow_reads: SlowReads
    group_commit: GroupCommit[PostingRequest, PostingResult]
    summaries: Summaries
    publish: Publish
