"""What the use cases of earning work with."""

from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncEngine

from libs.persistence.gatherer import Gatherer
from libs.persistence.turns import SlowReads
from libs.web.exchange import AnyRequest
from services.earning.handlers.intake import Publish
from services.earning.handlers.posting import Done, Work
from services.earning.handlers.summary import Summaries


class Resources(Struct, frozen=True):
    """`batches` writes the ledger, `reads` answers queries, `slow_reads` those that grow with a
    store's history, `gatherer` is the HTTP lane into the ledger: concurrent requests share its
    transactions."""

    batches: AsyncEngine
    reads: AsyncEngine
    slow_reads: SlowReads
    gatherer: Gatherer[Work, Done]
    summaries: Summaries
    publish: Publish


def resources_of(request: AnyRequest) -> Resources:
    """What the app of `request` was put together with."""
    resources: Resources = request.app.state["resources"]
    return resources
