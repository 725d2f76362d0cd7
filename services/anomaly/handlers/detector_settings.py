"""The settings of a store's detectors: read, and replaced once per idempotency key."""

from collections.abc import Callable

from sqlalchemy.ext.asyncio import AsyncEngine

from libs.contracts.anomalies import AnomalySettings
from libs.persistence.engine import Connection, statement
from libs.persistence.idempotency import StoredResponse, write_once
from libs.persistence.writes import Write
from services.anomaly.handlers.resources import Resources
from services.anomaly.store import stores


async def get(engine: AsyncEngine, store_id: str) -> AnomalySettings:
    """The store's settings, the default ones where it has set none."""
    async with statement(engine) as connection:
        return (await stores.read(connection, [store_id]))[store_id].settings


async def replace(
    resources: Resources,
    write: Write[AnomalySettings],
    render: Callable[[AnomalySettings], StoredResponse],
) -> StoredResponse:
    """Replace the store's settings; they judge the earnings recorded from now on."""

    async def carry_out(connection: Connection) -> StoredResponse:
        await stores.put(connection, write.store_id, write.body)
        return render(write.body)

    return await write_once(resources.write_engine, write.claim, carry_out)
