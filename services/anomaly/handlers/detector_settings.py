"""The settings of a store's detectors: read, and replaced once per idempotency key."""

from collections.abc import Callable

from sqlalchemy.ext.asyncio import AsyncEngine

from libs.contracts.anomalies import AnomalySettingsInput
from libs.kernel.versions import require_version
from libs.persistence.engine import Connection, statement
from libs.persistence.idempotency import StoredResponse
from libs.persistence.stored_responses import write_once
from libs.persistence.writes import Write
from services.anomaly.handlers.resources import Resources
from services.anomaly.store import stores
from services.anomaly.store.stores import StoreSettings


async def get(engine: AsyncEngine, store_id: str) -> StoreSettings:
    """The store's settings, the default ones where it has set none."""
    async with statement(engine) as connection:
        return (await stores.read(connection, [store_id]))[store_id]


async def replace(
    resources: Resources,
    write: Write[AnomalySettingsInput],
    render: Callable[[StoreSettings], StoredResponse],
) -> StoredResponse:
    """Replace the store's settings; they judge the earnings recorded from now on. Raises Conflict
    where the caller saw another version of them."""

    async def carry_out(connection: Connection) -> StoredResponse:
        replaced = await stores.put(connection, write.store_id, write.body.detectors())
        # Only now is the row locked; a refusal rolls the replacement back.
        require_version(write.body.version, replaced.version - 1)
        return render(replaced)

    return await write_once(resources.write_engine, write.claim, carry_out)
