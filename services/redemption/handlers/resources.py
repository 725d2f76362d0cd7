"""What the use cases of redemption work with."""

from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncEngine

from libs.persistence.gatherer import Gatherer
from libs.persistence.turns import SlowReads
from libs.web.exchange import AnyRequest
from services.redemption.handlers.desk import Done, Work
from services.redemption.handlers.peers import Peers


class Resources(Struct, frozen=True):
    """`batches` changes redemptions, `reads` answers queries, `slow_reads` those that grow with a
    store's history, `gatherer` is the one lane of changes: concurrent requests share its
    transactions."""

    batches: AsyncEngine
    reads: AsyncEngine
    slow_reads: SlowReads
    gatherer: Gatherer[Work, Done]
    peers: Peers


def resources_of(request: AnyRequest) -> Resources:
    """What the app of `request` was put together with."""
    resources: Resources = request.app.state["resources"]
    return resources
