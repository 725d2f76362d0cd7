"""What callers read: anomalies and settings."""

from collections.abc import Sequence

import msgspec
from sqlalchemy.ext.asyncio import AsyncEngine

from libs.contracts import anomalies as contract
from libs.contracts.anomalies import AnomalySettings
from libs.kernel.errors import Fault, InvalidRequest, NotFound
from libs.kernel.ids import parse_id
from libs.persistence.engine import Connection, snapshot, statement
from libs.persistence.turns import SlowReads
from libs.web.pages import Page
from services.anomaly.domain.anomalies import Anomaly
from services.anomaly.handlers import render
from services.anomaly.store import anomalies, stores
from services.anomaly.store.anomalies import AnomalyFilter

NO_ANOMALY = "There is no such anomaly in this store."


class Listed(msgspec.Struct, frozen=True):
    """A page of a list: whether more follow, and how many match in all."""

    items: Sequence[contract.Anomaly]
    has_more: bool
    counted: int


async def find(connection: Connection, store_id: str, text: str) -> Anomaly:
    """A shown anomaly, also a withdrawn one; raises NotFound."""
    anomaly_id = parse_id(render.ID_PREFIX, text)
    found = None
    if anomaly_id is not None:
        found = await anomalies.find(connection, store_id, anomaly_id)
    if found is None:
        raise NotFound(NO_ANOMALY)
    return found


async def get_anomaly(engine: AsyncEngine, store_id: str, text: str) -> contract.Anomaly:
    """One anomaly; for one that was taken into another, that other. Raises NotFound."""
    async with snapshot(engine) as connection:
        found = await find(connection, store_id, text)
        while found.merged_into is not None:
            found = await find(connection, store_id, f"{render.ID_PREFIX}_{found.merged_into}")
    if found.status == "withdrawn":
        raise NotFound(NO_ANOMALY)
    return render.anomaly(found)


async def list_anomalies(reads: SlowReads, wanted: AnomalyFilter, page: Page) -> Listed:
    """A page of the store's anomalies, newest first. Raises InvalidRequest where `starting_after`
    is none of them."""
    async with reads.snapshot(wanted.store_id) as connection:
        after = None
        if page.starting_after is not None:
            after = parse_id(render.ID_PREFIX, page.starting_after)
            known = after and await anomalies.find(connection, wanted.store_id, after)
            if not known or wanted.customer_id not in {None, known.customer_id}:
                fault = Fault(detail=NO_ANOMALY, parameter="starting_after")
                raise InvalidRequest(NO_ANOMALY, errors=[fault])
        rows, counted = await anomalies.listed(connection, wanted, limit=page.limit, after=after)
    shown = [render.anomaly(one) for one in rows[: page.limit]]
    return Listed(shown, has_more=len(rows) > page.limit, counted=counted)


async def get_settings(engine: AsyncEngine, store_id: str) -> AnomalySettings:
    """The store's detectors, as shipped where nobody has set any."""
    async with statement(engine) as connection:
        return (await stores.read(connection, [store_id]))[store_id].settings
