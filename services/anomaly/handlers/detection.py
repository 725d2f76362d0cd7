"""Detection: records, screens and judges each batch of earnings, and flags what is suspicious."""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial

from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncEngine

from libs.contracts.anomalies import AnomalySettings
from libs.contracts.topics import ANOMALY_FLAGGED
from libs.kernel.clock import utc_now
from libs.kernel.ids import uuid7
from libs.messaging import outbox
from libs.observability import metrics
from libs.persistence.engine import Connection, transaction
from libs.persistence.retry import retry_lost_race
from services.anomaly.domain.anomalies import (
    Anomaly,
    EvaluationContext,
    baseline_changes,
    complete_since,
    reconcile,
    with_anomalies,
)
from services.anomaly.domain.detectors import DETECTORS, mode_of, screen
from services.anomaly.domain.digests import Digest, make_digest
from services.anomaly.domain.earnings import Earning, Position, RecordedEarning
from services.anomaly.handlers.anomaly_events import encode_version
from services.anomaly.handlers.judgments import judge_customers
from services.anomaly.store import anomalies, digests, earnings, stores
from services.anomaly.store.digests import StoredDigest
from services.anomaly.store.earnings import AlreadyRecorded, Customer, EarningEvent
from services.anomaly.store.stores import StoreSettings

# Histories of this many customers are in memory at a time.
_READ_TOGETHER = 100

# The customers to judge, each with the position of the earliest earning to judge now. Anomalies whose
# earnings are all earlier stay as they are.
Suspects = dict[Customer, Position]

# How a batch is recorded: returns the earnings that are new.
Recorder = Callable[..., Awaitable[Sequence[EarningEvent]]]


class _Batch(Struct, frozen=True):
    """Earnings without duplicates, and the settings of their stores."""

    events: Sequence[EarningEvent]
    stores: Mapping[str, StoreSettings]

    def store(self, customer: Customer) -> StoreSettings:
        return self.stores[customer[0]]

    def settings(self, customer: Customer) -> AnomalySettings:
        return self.stores[customer[0]].settings


async def detect(engine: AsyncEngine, events: Sequence[EarningEvent]) -> bool:
    """Record the earnings and flag what is suspicious, in one transaction; returns whether any anomaly
    was created or changed. Earnings that are already recorded change nothing."""
    if not events:
        return False
    distinct = list({(event.store_id, event.transaction_id): event for event in events}.values())
    try:
        changed = await retry_lost_race(partial(_detect, engine, distinct, earnings.add_new))
    except AlreadyRecorded:
        changed = await retry_lost_race(partial(_detect, engine, distinct, earnings.add))
    for anomaly in changed:
        if anomaly.version == 1:
            metrics.ANOMALIES_FLAGGED.labels(anomaly.type, anomaly.mode).inc()
    return bool(changed)


async def _detect(
    engine: AsyncEngine, events: Sequence[EarningEvent], record: Recorder
) -> list[Anomaly]:
    """One attempt: the anomalies that were created or changed. Raises ConcurrentWrite, and what
    `record` raises."""
    async with transaction(engine) as connection:
        settings_by_store = await stores.read(connection, {event.store_id for event in events})
        revisions = [settings_by_store[event.store_id].revision for event in events]
        new = await record(connection, events, settings_revisions=revisions)
        if not new:
            return []
        batch = _Batch(new, settings_by_store)
        screened = await _screen(connection, batch)
        suspects = await _find_suspects(connection, new, screened.suspicious)
        # Reviews lock in this order too.
        await earnings.lock(connection, list(suspects))
        await digests.write(connection, screened.digests, screened.stored)
        changed = await _judge(connection, suspects, batch)
        # For the previous version, whose windows in Redis lack these earnings.
        await stores.next_epoch(connection, {event.store_id for event in new})
    return changed


# -- screening


class _Screened(Struct, frozen=True):
    """The customers whose new earnings may be suspicious; and the digests of all customers of the
    batch, as they were `stored` and as they are now."""

    suspicious: set[Customer]
    stored: Mapping[Customer, StoredDigest]
    digests: Mapping[Customer, Digest | None]


async def _screen(connection: Connection, batch: _Batch) -> _Screened:
    by_customer = _by_customer(batch.events)
    stored = await digests.read(connection, list(by_customer))
    current = {
        customer: row.digest
        for customer, row in stored.items()
        if row.digest is not None and row.digest.revision == batch.store(customer).revision
    }
    missing = [customer for customer in by_customer if customer not in current]
    current |= await _make_digests(connection, batch, {one: by_customer[one] for one in missing})
    suspicious: set[Customer] = set()
    changed: dict[Customer, Digest | None] = {}
    for customer, new in by_customer.items():
        is_suspicious, changed[customer] = screen(batch.settings(customer), current[customer], new)
        if is_suspicious:
            suspicious.add(customer)
    return _Screened(suspicious, stored, changed)


def _by_customer(events: Sequence[EarningEvent]) -> dict[Customer, list[Earning]]:
    by_customer: dict[Customer, list[Earning]] = {}
    for event in events:
        by_customer.setdefault(event.customer, []).append(event.earning)
    return by_customer


async def _make_digests(
    connection: Connection, batch: _Batch, customers: Mapping[Customer, Sequence[Earning]]
) -> dict[Customer, Digest]:
    """The digests of customers as they were before their new earnings, made from the recorded ones."""
    digests_before: dict[Customer, Digest] = {}
    for chunk in _chunks(list(customers)):
        for customer, history in (await earnings.histories(connection, chunk)).items():
            new = customers[customer]
            ids = {earning.id for earning in new}
            store = batch.store(customer)
            digests_before[customer] = make_digest(
                [recorded for recorded in history if recorded.earning.id not in ids],
                store.settings.rapid_earning,
                revision=store.revision,
                day=new[0].day,
            )
    return digests_before


async def _find_suspects(
    connection: Connection, new: Sequence[EarningEvent], suspicious: set[Customer]
) -> Suspects:
    """The suspicious customers who have new earnings, and the customers whose earlier judgment used
    the store's baseline, which a new earning now changes."""
    suspects: Suspects = {}
    times: dict[str, tuple[int, int]] = {}
    for event in new:
        first, last = times.get(event.store_id, (event.at, event.at))
        times[event.store_id] = (min(first, event.at), max(last, event.at))
        if event.customer in suspicious:
            position = (event.at, event.transaction_id)
            suspects[event.customer] = min(position, suspects.get(event.customer, position))
    for customer, position in (
        await earnings.affected_by_store_baseline(connection, times)
    ).items():
        suspects[customer] = min(position, suspects.get(customer, position))
    return suspects


# -- judging


async def _judge(connection: Connection, suspects: Suspects, batch: _Batch) -> list[Anomaly]:
    """Judge the suspects' histories, who are locked, and write the anomalies that were created or changed."""
    if not suspects:
        return []
    now = utc_now()
    changed: list[Anomaly] = []
    for chunk in _chunks(list(suspects)):
        part = {customer: suspects[customer] for customer in chunk}
        changed += await _judge_chunk(connection, part, batch, now)
    events = [
        encode_version(anomaly, ANOMALY_FLAGGED, now) for anomaly in changed if anomaly.is_shown
    ]
    await anomalies.put(connection, changed)
    await outbox.append(connection, events)
    return changed


async def _judge_chunk(
    connection: Connection, suspects: Suspects, batch: _Batch, now: datetime
) -> list[Anomaly]:
    histories = await earnings.histories(connection, list(suspects))
    since = [history[0].earning.at for history in histories.values()]
    existing = await anomalies.find_by_customer(connection, list(histories), since)
    contexts = {
        customer: _context(customer, batch.store(customer), history, suspects[customer], now)
        for customer, history in histories.items()
    }
    judgments = await judge_customers(
        connection,
        {
            customer: with_anomalies(
                [recorded.earning for recorded in history], existing[customer], contexts[customer]
            )
            for customer, history in histories.items()
        },
        {customer: batch.settings(customer) for customer in histories},
        exclude_flagged=True,
    )
    await earnings.mark_judged_by_store_baseline(
        connection,
        {customer: judgment.judged_by_store_baseline for customer, judgment in judgments.items()},
    )
    changes = {
        customer: reconcile(existing[customer], judgment.findings, contexts[customer], new_id=uuid7)
        for customer, judgment in judgments.items()
    }
    await earnings.update_baselines(
        connection,
        {
            customer: baseline_changes(histories[customer], _latest(existing[customer], changed))
            for customer, changed in changes.items()
            if changed
        },
    )
    return [anomaly for changed in changes.values() for anomaly in changed]


def _context(
    customer: Customer,
    store: StoreSettings,
    history: Sequence[RecordedEarning],
    earliest: Position,
    now: datetime,
) -> EvaluationContext:
    return EvaluationContext(
        store_id=customer[0],
        customer_id=customer[1],
        settings_revision=store.revision,
        mode={kind: mode_of(store.settings, kind) for kind in DETECTORS},
        since=complete_since(history),
        earliest=earliest,
        under_current_settings=frozenset(
            recorded.earning.id
            for recorded in history
            if recorded.settings_revision == store.revision
        ),
        now=now,
    )


def _latest(existing: Sequence[Anomaly], changes: Sequence[Anomaly]) -> list[Anomaly]:
    """The anomalies of a customer after the changes."""
    return list({anomaly.id: anomaly for anomaly in (*existing, *changes)}.values())


def _chunks(customers: Sequence[Customer]) -> Iterator[Sequence[Customer]]:
    for start in range(0, len(customers), _READ_TOGETHER):
        yield customers[start : start + _READ_TOGETHER]
