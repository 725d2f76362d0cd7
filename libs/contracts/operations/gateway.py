"""The operations that the gateway responds to itself: the calling key, and the state of the services."""

from typing import Final

from libs.contracts import pipeline
from libs.contracts.api import CallingKey
from libs.contracts.operations.operation import Operation

GATEWAY: Final[tuple[Operation, ...]] = (
    Operation(
        id="getKey",
        method="GET",
        path="key",
        owner="gateway",
        scope=None,
        summary="Get the calling key: its store, name and scopes.",
        response=CallingKey,
    ),
    Operation(
        id="getPipeline",
        method="GET",
        path="loyalty/pipeline",
        owner="gateway",
        scope="read",
        summary="Get whether all services are ready, and how far each step is behind.",
        response=pipeline.Pipeline,
    ),
)
