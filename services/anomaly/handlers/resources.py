"""What the use cases of anomaly work with."""

from collections.abc import Callable

from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncEngine

from libs.web.exchange import AnyRequest


class Resources(Struct, frozen=True):
    """`writes` changes anomalies, `reads` answers queries; `wake_relay` is called after a commit."""

    writes: AsyncEngine
    reads: AsyncEngine
    wake_relay: Callable[[], None]


def resources_of(request: AnyRequest) -> Resources:
    """What the app of `request` was put together with."""
    resources: Resources = request.app.state["resources"]
    return resources
