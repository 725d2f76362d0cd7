"""Detection: records, screens and judges each batch of earnings, and flags what is suspicious."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncEngine

from libs.contracts.anomalies import AnomalySettings
from libs.contracts.topics import ANOMALY_FLAGGED
from libs.kernel.clock import utc_now
from libs.kernel.ids import uuid7
from libs.messaging import outbox
from libs.observability import metrics
from libs.persistence.engine import Connection, transaction
from services.anomaly.domain.anomalies import (
    Anomaly,
    EvaluationContext,
    baseline_changes,
    complete_since,
    reconcile,
    with_anomalies,
)
from services.anomaly.domain.detectors import DETECTORS, mode_of, must_judge
from services.anomaly.domain.earnings import (
    MS_PER_DAY,
    MS_PER_SECOND,
    Earning,
    Position,
    RecordedEarning,
)
from services.anomaly.domain.screening import Screening
from services.anomaly.domain.windows import WindowContents, screen_by_digest, window_contents
from services.anomaly.handlers.anomaly_events import encode_version
from services.anomaly.handlers.judgments import judge_customers
from services.anomaly.store import anomalies, earnings, stores
from services.anomaly.store.earnings import Customer, EarningEvent
from services.anomaly.store.stores import StoreSettings
from services.anomaly.store.windows import Windows, WindowsUnavailable, WindowUpdate

# Histories of this many customers are in memory at a time.
_JUDGED_TOGETHER = 100

# The customers to judge, each with the position of the earliest earning to judge now. Anomalies whose
# earnings are all earlier stay as they are.
Suspects = dict[Customer, Position]


class _Batch(Struct, frozen=True):
    """A batch of earnings by customer, without duplicates, and the stores' settings."""

    events: Mapping[Customer, Sequence[EarningEvent]]
    stores: Mapping[str, StoreSettings]

    def store(self, customer: Customer) -> StoreSettings:
        return self.stores[customer[0]]

    def settings(self, customer: Customer) -> AnomalySettings:
        return self.stores[customer[0]].settings


async def detect(engine: AsyncEngine, windows: Windows, events: Sequence[EarningEvent]) -> bool:
    """Record the earnings and flag what is suspicious, in one transaction; returns whether any anomaly
    was created or changed. Earnings that are already recorded change nothing."""
    if not events:
        return False
    distinct = list({(event.store_id, event.transaction_id): event for event in events}.values())
    async with transaction(engine) as connection:
        settings_by_store = await stores.read(connection, {event.store_id for event in distinct})
        batch = _Batch(_by_customer(distinct), settings_by_store)
        try:
            suspicious = await _screen(connection, windows, batch)
            windows_are_valid = True
        except WindowsUnavailable:
            suspicious, windows_are_valid = set(batch.events), False
        revisions = [settings_by_store[event.store_id].revision for event in distinct]
        new = await earnings.add(connection, distinct, settings_revisions=revisions)
        suspects = await _find_suspects(connection, new, suspicious)
        changed = await _judge(connection, suspects, batch)
        if windows_are_valid:
            windows_are_valid = await _delete_outdated(windows, batch, suspects, changed)
        if not windows_are_valid:
            await stores.next_epoch(connection, settings_by_store.keys())
    for anomaly in changed:
        if anomaly.version == 1:
            metrics.ANOMALIES_FLAGGED.labels(anomaly.type, anomaly.mode).inc()
    return bool(changed)


def _by_customer(events: Sequence[EarningEvent]) -> Mapping[Customer, list[EarningEvent]]:
    by_customer: dict[Customer, list[EarningEvent]] = {}
    for event in events:
        by_customer.setdefault(event.customer, []).append(event)
    return by_customer


# -- screening


async def _screen(connection: Connection, windows: Windows, batch: _Batch) -> set[Customer]:
    """The customers whose new earnings may be suspicious. Raises WindowsUnavailable."""
    updates = [_window_update(batch, customer) for customer in batch.events]
    screenings = dict(zip(batch.events, await windows.add(updates), strict=True))
    missing = [customer for customer, screening in screenings.items() if screening is None]
    if missing:
        screenings |= await _screen_without_windows(connection, windows, batch, missing)
    return {
        customer
        for customer, screening in screenings.items()
        if screening is None or must_judge(batch.settings(customer), screening)
    }


async def _screen_without_windows(
    connection: Connection, windows: Windows, batch: _Batch, customers: Sequence[Customer]
) -> Mapping[Customer, Screening | None]:
    """Screen by digests, which are short summaries of the recorded histories. Customers for whom a digest
    does not suffice get a window."""
    screenings = {
        customer: screen_by_digest(batch.settings(customer), digest, _new_earnings(batch, customer))
        for customer, digest in (await earnings.digests(connection, customers)).items()
    }
    undecided = [customer for customer, screening in screenings.items() if screening is None]
    histories = await earnings.histories(connection, undecided)
    updates = [
        _window_update(
            batch,
            customer,
            window_contents(batch.settings(customer), history, _new_earnings(batch, customer)),
        )
        for customer, history in histories.items()
    ]
    return screenings | dict(zip(histories, await windows.add(updates), strict=True))


def _new_earnings(batch: _Batch, customer: Customer) -> list[Earning]:
    return [event.earning for event in batch.events[customer]]


def _window_update(
    batch: _Batch, customer: Customer, contents: WindowContents | None = None
) -> WindowUpdate:
    store = batch.store(customer)
    rapid = store.settings.rapid_earning
    return WindowUpdate(
        customer=customer,
        epoch=store.epoch,
        count=rapid.count,
        window_ms=rapid.window_seconds * MS_PER_SECOND,
        events=batch.events[customer],
        contents=contents,
    )


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
    """Judge the suspects' histories, and write the anomalies that were created or changed."""
    customers = list(suspects)
    await earnings.lock(connection, customers)
    now = utc_now()
    changed: list[Anomaly] = []
    for start in range(0, len(customers), _JUDGED_TOGETHER):
        chunk = customers[start : start + _JUDGED_TOGETHER]
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


# -- outdated windows


async def _delete_outdated(
    windows: Windows, batch: _Batch, suspects: Suspects, changed: Sequence[Anomaly]
) -> bool:
    """Delete windows before the commit that makes them outdated: the suspects' baselines may have
    changed, by what was flagged or by earnings of an earlier day. Returns whether Redis deleted them."""
    flagged = {(anomaly.store_id, anomaly.customer_id) for anomaly in changed}
    today = int(utc_now().timestamp()) * MS_PER_SECOND // MS_PER_DAY
    outdated = [
        (customer, batch.store(customer).epoch)
        for customer in suspects
        if customer in flagged
        or any(event.at // MS_PER_DAY < today for event in batch.events.get(customer, ()))
    ]
    try:
        await windows.delete(outdated)
    except WindowsUnavailable:
        return False
    return True
