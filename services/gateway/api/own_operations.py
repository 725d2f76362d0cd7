"""The operations that the gateway responds to itself. A new one is a method here and an entry in
`_operations`."""

from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import parse_qs

from sqlalchemy.ext.asyncio import AsyncEngine

from libs.contracts import api
from libs.contracts.api import CallingKey
from libs.contracts.pipeline import Pipeline
from libs.http_client.connections import ServiceResponse
from libs.kernel.clock import format_time
from libs.web.body import Faults, Query
from services.gateway import store as keys_db
from services.gateway.domain import PREFIX_SHOWN, SCOPES, ApiKey
from services.gateway.handlers.pipeline import PipelineReader

_JSON = [(b"content-type", b"application/json")]


class OwnOperations:
    """Responds to requests that were admitted; none of these operations has a body or parameters."""

    def __init__(self, engine: AsyncEngine, pipeline: PipelineReader) -> None:
        self._engine = engine
        self._pipeline = pipeline
        self._operations: Mapping[str, Callable[[ApiKey], Awaitable[object]]] = {
            "getKey": self._get_key,
            "getPipeline": self._get_pipeline,
        }

    @property
    def ids(self) -> frozenset[str]:
        """The ids of the operations."""
        return frozenset(self._operations)

    async def respond(self, operation: str, key: ApiKey, query: bytes) -> ServiceResponse:
        """The response of the operation to the key. Raises InvalidRequest for a parameter."""
        faults = Faults()
        parameters = parse_qs(query.decode("latin-1"), keep_blank_values=True)
        Query(parameters, faults, known=frozenset())
        faults.raise_if_any()
        return ServiceResponse(200, _JSON, api.encode(await self._operations[operation](key)))

    async def _get_key(self, key: ApiKey) -> CallingKey:
        row = await keys_db.find_label(self._engine, key.digest)
        return CallingKey(
            store_id=key.store_id,
            name=key.name,
            prefix=row.prefix[:PREFIX_SHOWN],
            scopes=[scope for scope in SCOPES if scope in key.scopes],
            created_at=format_time(row.created_at),
        )

    async def _get_pipeline(self, _key: ApiKey) -> Pipeline:
        return await self._pipeline.read()
