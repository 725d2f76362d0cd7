"""The store's clock, which a local system can move."""

from typing import Final

from libs.contracts import api
from libs.contracts.operations.operation import Operation

CLOCK: Final[tuple[Operation, ...]] = (
    Operation(
        id="getClock",
        method="GET",
        path="loyalty/clock",
        owner="earning",
        scope="admin",
        summary="Get the store's clock. Only a local system has it; others respond 404.",
        response=api.Clock,
    ),
    Operation(
        id="moveClock",
        method="PUT",
        path="loyalty/clock",
        owner="earning",
        scope="admin",
        summary="Move the store's clock forward, to live through a year in a second. The response comes once "
        "everything that falls due on the way is posted; after a 503, repeat the request to go on. Only on a "
        "local system; others respond 404.",
        request=api.ClockRequest,
        response=api.Clock,
        errors=("conflict",),
    ),
)
