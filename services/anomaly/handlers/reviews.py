"""Reviews: people's decisions on anomalies, each carried out once per idempotency key."""

from functools import partial

from libs.contracts import api
from libs.contracts.topics import ANOMALY_FLAGGED, ANOMALY_RESOLVED
from libs.kernel.clock import utc_now
from libs.persistence.engine import Connection
from libs.persistence.idempotency import Claim, KeptAnswer, write_once
from services.anomaly.domain.anomalies import Anomaly, Review, apply_review, baseline_changes
from services.anomaly.handlers import render
from services.anomaly.handlers.anomalies import find_anomaly
from services.anomaly.handlers.resources import Resources
from services.anomaly.store import anomalies, earnings, stores


async def review_anomaly(
    resources: Resources, store_id: str, anomaly_id: str, review: Review, claim: Claim | None
) -> tuple[KeptAnswer, bool]:
    """Carry out a review; returns the anomaly, and whether it is a replay. Raises NotFound, and
    Conflict once the anomaly is final."""
    outcome = await write_once(
        resources.writes, claim, partial(_review, store_id, anomaly_id, review)
    )
    resources.wake_relay()
    return outcome


async def _review(
    store_id: str, anomaly_id: str, review: Review, connection: Connection
) -> KeptAnswer:
    customer = (store_id, (await find_anomaly(connection, store_id, anomaly_id)).customer_id)
    await earnings.lock(connection, [customer])
    # The transaction that held the lock before may have reviewed or extended it.
    current = await find_anomaly(connection, store_id, anomaly_id)
    reviewed = apply_review(current, review, utc_now())
    await anomalies.put(connection, [reviewed])
    await anomalies.add_review(connection, reviewed, review)
    topic = ANOMALY_RESOLVED if reviewed.status == "resolved" else ANOMALY_FLAGGED
    if reviewed.status == "resolved":
        await _update_baselines(connection, reviewed)
        await stores.next_epoch(connection, [store_id])
    await anomalies.add_to_outbox(connection, [render.event(reviewed, topic)])
    return KeptAnswer(200, api.encode(render.anomaly(reviewed)))


async def _update_baselines(connection: Connection, resolved: Anomaly) -> None:
    """Return approved earnings to the baselines."""
    customer = (resolved.store_id, resolved.customer_id)
    histories = await earnings.histories(connection, [customer])
    existing = await anomalies.find_by_customer(connection, [customer], [0])
    changes = baseline_changes(histories[customer], existing[customer])
    await earnings.update_baselines(connection, {customer: changes})
