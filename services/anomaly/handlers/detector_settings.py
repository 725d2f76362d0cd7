"""The settings of a store's detectors: read, and replaced once per idempotency key."""

from sqlalchemy.ext.asyncio import AsyncEngine

from libs.contracts import api
from libs.contracts.anomalies import AnomalySettings
from libs.persistence.engine import Connection, statement
from libs.persistence.idempotency import Claim, KeptAnswer, write_once
from services.anomaly.handlers.resources import Resources
from services.anomaly.store import stores


async def get_settings(engine: AsyncEngine, store_id: str) -> AnomalySettings:
    """The store's settings, the default ones where it has set none."""
    async with statement(engine) as connection:
        return (await stores.read(connection, [store_id]))[store_id].settings


async def put_settings(
    resources: Resources, store_id: str, settings: AnomalySettings, claim: Claim | None
) -> tuple[KeptAnswer, bool]:
    """Replace the store's settings; they judge the earnings recorded from now on."""

    async def write(connection: Connection) -> KeptAnswer:
        await stores.put(connection, store_id, settings)
        return KeptAnswer(200, api.encode(settings))

    return await write_once(resources.writes, claim, write)
