"""Reviews: people's decisions on anomalies, each carried out once per idempotency key."""

from collections.abc import Callable

from libs.contracts.anomalies import AnomalyPatch
from libs.contracts.topics import ANOMALY_FLAGGED, ANOMALY_RESOLVED
from libs.kernel.clock import utc_now
from libs.messaging import outbox
from libs.persistence.engine import Connection
from libs.persistence.idempotency import StoredResponse
from libs.persistence.stored_responses import write_once
from libs.persistence.writes import Write
from services.anomaly.domain.anomalies import Anomaly, Review, apply_review, baseline_changes
from services.anomaly.handlers.anomalies import find
from services.anomaly.handlers.anomaly_events import encode_version
from services.anomaly.handlers.resources import Resources
from services.anomaly.store import anomalies, earnings, stores


async def review(
    resources: Resources,
    write: Write[AnomalyPatch],
    anomaly_id: str,
    render: Callable[[Anomaly], StoredResponse],
) -> StoredResponse:
    """Carry out a person's decision, once. Raises NotFound, and Conflict once the anomaly is final
    or where the person saw another version of it."""
    decision = Review(
        status=write.body.status,
        resolution=write.body.resolution,
        note=write.body.note,
        reviewed_by=write.caller.key_name,
        reviewer=write.body.reviewer,
        version=write.body.version,
    )

    async def respond(connection: Connection) -> StoredResponse:
        return render(await carry_out(connection, write.store_id, anomaly_id, decision))

    response = await write_once(resources.write_engine, write.claim, respond)
    resources.wake_relay()
    return response


async def carry_out(
    connection: Connection, store_id: str, anomaly_id: str, decision: Review
) -> Anomaly:
    """The anomaly after the decision, written and published. Raises what `review` raises."""
    customer = (store_id, (await find(connection, store_id, anomaly_id)).customer_id)
    await earnings.lock(connection, [customer])
    # The transaction that held the lock before may have reviewed or extended it.
    current = await find(connection, store_id, anomaly_id)
    now = utc_now()
    reviewed = apply_review(current, decision, now)
    await anomalies.put(connection, [reviewed])
    await anomalies.add_review(connection, reviewed, decision)
    topic = ANOMALY_RESOLVED if reviewed.status == "resolved" else ANOMALY_FLAGGED
    if reviewed.status == "resolved":
        await _update_baselines(connection, reviewed)
        await stores.next_epoch(connection, [store_id])
    await outbox.append(connection, [encode_version(reviewed, topic, now)])
    return reviewed


async def _update_baselines(connection: Connection, resolved: Anomaly) -> None:
    """Return approved earnings to the baselines."""
    customer = (resolved.store_id, resolved.customer_id)
    histories = await earnings.histories(connection, [customer])
    existing = await anomalies.find_by_customer(connection, [customer], [0])
    changes = baseline_changes(histories[customer], existing[customer])
    await earnings.update_baselines(connection, {customer: changes})
