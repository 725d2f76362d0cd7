"""Reading anomalies: one by its id, and a page of a store's list."""

from sqlalchemy.ext.asyncio import AsyncEngine

from libs.kernel.errors import NotFound
from libs.kernel.ids import parse_id
from libs.persistence.engine import Connection, snapshot
from libs.persistence.pages import Listed, Page, unknown_cursor
from libs.persistence.slow_reads import SlowReads
from services.anomaly.domain.anomalies import ID_PREFIX, Anomaly
from services.anomaly.store import anomalies
from services.anomaly.store.anomalies import AnomalyFilter

NO_ANOMALY = "There is no such anomaly in this store."


async def find(connection: Connection, store_id: str, text: str) -> Anomaly:
    """An anomaly that people may see, also a withdrawn one. Raises NotFound."""
    anomaly_id = parse_id(ID_PREFIX, text)
    anomaly = None
    if anomaly_id is not None:
        anomaly = await anomalies.find(connection, store_id, anomaly_id)
    if anomaly is None:
        raise NotFound(NO_ANOMALY)
    return anomaly


async def get(engine: AsyncEngine, store_id: str, text: str) -> Anomaly:
    """An anomaly; in place of a merged one, the one it was merged into. Raises NotFound."""
    async with snapshot(engine) as connection:
        anomaly = await find(connection, store_id, text)
        while anomaly.merged_into is not None:
            anomaly = await find(connection, store_id, f"{ID_PREFIX}_{anomaly.merged_into}")
    if anomaly.status == "withdrawn":
        raise NotFound(NO_ANOMALY)
    return anomaly


async def list_page(reads: SlowReads, filters: AnomalyFilter, page: Page) -> Listed[Anomaly]:
    """A page of the store's anomalies, in the order of the filters. Raises InvalidRequest where
    `starting_after` is no anomaly of the list."""
    async with reads.snapshot(filters.store_id) as connection:
        after = None
        if page.starting_after is not None:
            last_id = parse_id(ID_PREFIX, page.starting_after)
            if last_id is not None:
                after = await anomalies.find(
                    connection, filters.store_id, last_id, mode=filters.mode
                )
            if after is None or filters.customer_id not in {None, after.customer_id}:
                raise unknown_cursor("an anomaly")
        rows, counted = await anomalies.list_page(
            connection, filters, limit=page.limit, after=after
        )
    return Listed(rows[: page.limit], has_more=len(rows) > page.limit, counted=counted)
