"""People's decisions: on anomalies, and on what is flagged at all. Each once per idempotency key."""

from functools import partial

from libs.contracts import api
from libs.contracts.anomalies import AnomalySettings
from libs.contracts.topics import ANOMALY_FLAGGED, ANOMALY_RESOLVED
from libs.kernel.clock import utc_now
from libs.persistence.engine import Connection
from libs.persistence.idempotency import Claim, KeptAnswer, write_once
from services.anomaly.domain.anomalies import Anomaly, Review, reviewed
from services.anomaly.handlers import reading, render
from services.anomaly.handlers.detecting import remarked
from services.anomaly.handlers.resources import Resources
from services.anomaly.store import anomalies, earnings, stores


async def review(
    resources: Resources, store_id: str, anomaly_id: str, decided: Review, claim: Claim | None
) -> tuple[KeptAnswer, bool]:
    """Carry out what a person decided; answers the anomaly, and whether it is a replay. Raises
    NotFound, and Conflict once it is final."""
    outcome = await write_once(
        resources.writes, claim, partial(_review, store_id, anomaly_id, decided)
    )
    resources.wake_relay()
    return outcome


async def _review(
    store_id: str, anomaly_id: str, decided: Review, connection: Connection
) -> KeptAnswer:
    customer = (store_id, (await reading.find(connection, store_id, anomaly_id)).customer_id)
    await earnings.lock(connection, [customer])
    # Whoever had the lock before may have decided or made it grow.
    present = await reading.find(connection, store_id, anomaly_id)
    after = reviewed(present, decided, utc_now())
    await anomalies.put(connection, [after])
    await anomalies.add_review(connection, after, decided)
    topic = ANOMALY_RESOLVED if after.status == "resolved" else ANOMALY_FLAGGED
    if after.status == "resolved":
        await _remark(connection, after)
        await stores.next_epoch(connection, [store_id])
    await anomalies.add_to_outbox(connection, [render.event(after, topic)])
    return KeptAnswer(200, api.encode(render.anomaly(after)))


async def _remark(connection: Connection, after: Anomaly) -> None:
    """Put approved earnings back into the baselines."""
    customer = (after.store_id, after.customer_id)
    histories = await earnings.histories(connection, [customer])
    known = await anomalies.of_customers(connection, [customer], [0])
    await earnings.mark(connection, customer, remarked(histories[customer], known[customer]))


async def put_settings(
    resources: Resources, store_id: str, settings: AnomalySettings, claim: Claim | None
) -> tuple[KeptAnswer, bool]:
    """Replace the store's settings; they judge what is earned from now on."""

    async def write(connection: Connection) -> KeptAnswer:
        await stores.put(connection, store_id, settings)
        return KeptAnswer(200, api.encode(settings))

    return await write_once(resources.writes, claim, write)
