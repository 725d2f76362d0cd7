"""Reading anomalies: one by its id, and a page of a store's list."""

from collections.abc import Sequence

import msgspec
from sqlalchemy.ext.asyncio import AsyncEngine

from libs.contracts import anomalies as contract
from libs.kernel.errors import Fault, InvalidRequest, NotFound
from libs.kernel.ids import parse_id
from libs.persistence.engine import Connection, snapshot
from libs.persistence.turns import SlowReads
from libs.web.pages import Page
from services.anomaly.domain.anomalies import Anomaly
from services.anomaly.handlers import render
from services.anomaly.store import anomalies
from services.anomaly.store.anomalies import AnomalyFilter

NO_ANOMALY = "There is no such anomaly in this store."


class Listed(msgspec.Struct, frozen=True):
    """A page of a list: whether more follow, and how many match in all."""

    items: Sequence[contract.Anomaly]
    has_more: bool
    counted: int


async def find_anomaly(connection: Connection, store_id: str, text: str) -> Anomaly:
    """An anomaly that people may see, also a withdrawn one. Raises NotFound."""
    anomaly_id = parse_id(render.ID_PREFIX, text)
    found = None
    if anomaly_id is not None:
        found = await anomalies.find(connection, store_id, anomaly_id)
    if found is None:
        raise NotFound(NO_ANOMALY)
    return found


async def get_anomaly(engine: AsyncEngine, store_id: str, text: str) -> contract.Anomaly:
    """An anomaly; in place of a merged one, the one it was merged into. Raises NotFound."""
    async with snapshot(engine) as connection:
        found = await find_anomaly(connection, store_id, text)
        while found.merged_into is not None:
            merged_into = f"{render.ID_PREFIX}_{found.merged_into}"
            found = await find_anomaly(connection, store_id, merged_into)
    if found.status == "withdrawn":
        raise NotFound(NO_ANOMALY)
    return render.anomaly(found)


async def list_anomalies(reads: SlowReads, filters: AnomalyFilter, page: Page) -> Listed:
    """A page of the store's anomalies, newest first. Raises InvalidRequest where `starting_after`
    is no anomaly of the list."""
    async with reads.snapshot(filters.store_id) as connection:
        after = None
        if page.starting_after is not None:
            after = parse_id(render.ID_PREFIX, page.starting_after)
            last = after and await anomalies.find(connection, filters.store_id, after)
            if not last or filters.customer_id not in {None, last.customer_id}:
                fault = Fault(detail=NO_ANOMALY, parameter="starting_after")
                raise InvalidRequest(NO_ANOMALY, errors=[fault])
        rows, counted = await anomalies.list_page(
            connection, filters, limit=page.limit, after=after
        )
    shown = [render.anomaly(one) for one in rows[: page.limit]]
    return Listed(shown, has_more=len(rows) > page.limit, counted=counted)
