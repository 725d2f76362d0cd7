"""Earnings as they come: recorded, judged, and what is suspicious flagged; each batch at once."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncEngine

from libs.contracts.anomalies import Deviation
from libs.contracts.topics import ANOMALY_FLAGGED
from libs.kernel.clock import utc_now
from libs.observability import metrics
from libs.persistence.engine import Connection, transaction
from services.anomaly.domain import deviation
from services.anomaly.domain.anomalies import Anomaly, Era, marked, reconcile
from services.anomaly.domain.awards import MS_A_DAY, MS_A_SECOND, Award, Baseline
from services.anomaly.domain.detectors import DETECTORS, judge, mode_of
from services.anomaly.handlers import render
from services.anomaly.store import anomalies, earnings, stores
from services.anomaly.store.earnings import HISTORY, Customer, Digest, Earning, Seen
from services.anomaly.store.stores import StoreSettings
from services.anomaly.store.windows import (
    LOOK,
    MISSING,
    Asked,
    Made,
    RedisAway,
    Windows,
    by_customer,
)

# Histories of so many customers are in memory at a time.
_LOOKED_AT: Final = 100

Chosen = Mapping[str, StoreSettings]
# An earning's place among a customer's, and from which place on whom to judge.
Place = tuple[int, str]
Places = dict[Customer, Place]


class _Batch(Struct, frozen=True):
    """Earnings that came together, each once, by customer, and their stores' settings."""

    earnings: Mapping[Customer, Sequence[Earning]]
    chosen: Chosen

    def of(self, customer: Customer) -> StoreSettings:
        return self.chosen[customer[0]]


async def detect(engine: AsyncEngine, windows: Windows, told: Sequence[Earning]) -> bool:
    """Record the earnings and flag what is suspicious, in one transaction; answers whether anything
    was flagged. Earnings that are known change nothing."""
    if not told:
        return False
    fresh = {(one.store_id, one.transaction_id): one for one in told}
    async with transaction(engine) as connection:
        chosen = await stores.read(connection, {one.store_id for one in told})
        batch = _Batch(by_customer(list(fresh.values())), chosen)
        try:
            suspects = await _suspects(connection, windows, batch)
            in_windows = True
        except RedisAway:
            suspects, in_windows = list(batch.earnings), False
        revisions = [chosen[one.store_id].revision for one in fresh.values()]
        new = await earnings.add(connection, list(fresh.values()), revisions)
        places = _to_judge(new, suspects)
        for customer, place in (await _later_by_store(connection, new)).items():
            places[customer] = min(place, places.get(customer, place))
        changed = await _look_at(connection, places, batch)
        if in_windows:
            in_windows = await _forget(windows, _stale(batch, list(places), changed))
        if not in_windows:
            await stores.next_epoch(connection, chosen)
    for one in changed:
        if one.version == 1:
            metrics.ANOMALIES_FLAGGED.labels(one.type, one.mode).inc()
    return bool(changed)


# -- whom to look at


async def _suspects(connection: Connection, windows: Windows, batch: _Batch) -> list[Customer]:
    """The customers who may have earned something suspicious. Raises RedisAway."""
    asked = [_asked(batch, customer) for customer in batch.earnings]
    verdicts = dict(zip(batch.earnings, await windows.suspect(asked), strict=True))
    missing = [customer for customer, verdict in verdicts.items() if verdict == MISSING]
    if missing:
        digests = await earnings.digests(connection, missing)
        busy = [one for one in missing if not _is_calm(batch, one, digests[one])]
        histories = await earnings.histories(connection, busy)
        made = [_asked(batch, customer, history) for customer, history in histories.items()]
        verdicts |= zip(busy, await windows.suspect(made), strict=True)
    return [
        customer
        for customer, verdict in verdicts.items()
        if verdict == LOOK or _has_large_amount(batch, customer)
    ]


def _is_calm(batch: _Batch, customer: Customer, known: Digest) -> bool:
    """Whether it is one earning, further than a window from all before it, on a day of its own and
    below that day's limit. Most customers come like this: there is nothing to see, and a window
    would have to be made anew before it is ever of use."""
    (first, *others), chosen = batch.earnings[customer], batch.of(customer).settings
    if others:
        return False
    day = first.at // MS_A_DAY
    if known.latest is not None:
        window_ms = chosen.rapid_earning.window_seconds * MS_A_SECOND
        if known.latest // MS_A_DAY == day or first.at <= known.latest + window_ms:
            return False
    limit = _limit(chosen.deviation, known.days, day)
    return limit is None or first.points < limit


def _has_large_amount(batch: _Batch, customer: Customer) -> bool:
    chosen = batch.of(customer).settings.unusual_amount
    return chosen.mode != "off" and any(
        one.points >= chosen.min_points for one in batch.earnings[customer]
    )


def _asked(batch: _Batch, customer: Customer, history: Sequence[Seen] | None = None) -> Asked:
    chosen = batch.of(customer)
    rapid = chosen.settings.rapid_earning
    return Asked(
        customer=customer,
        epoch=chosen.epoch,
        count=rapid.count,
        window_ms=rapid.window_seconds * MS_A_SECOND,
        earnings=batch.earnings[customer],
        made=None if history is None else _made(batch, customer, history),
    )


def _made(batch: _Batch, customer: Customer, history: Sequence[Seen]) -> Made:
    """The customer's window as the earnings recorded so far make it."""
    chosen = batch.of(customer).settings
    day = max(one.at for one in batch.earnings[customer]) // MS_A_DAY
    if history:
        day = max(day, history[-1].award.day)
    latest = history[-max(4 * chosen.rapid_earning.count, 100) :]
    is_whole = len(latest) == len(history) < HISTORY
    return Made(
        floor=0 if is_whole else latest[0].award.at + 1,
        day=day,
        points=sum(one.award.points for one in history if one.award.day == day),
        limit=_limit(chosen.deviation, _days(history), day),
        known=[(one.award.at, one.award.id) for one in latest],
    )


def _days(history: Sequence[Seen]) -> dict[int, int]:
    """The points of each day, of those earnings that are in the baselines."""
    days: dict[int, int] = {}
    for one in history:
        if one.normal:
            days[one.award.day] = days.get(one.award.day, 0) + one.award.points
    return days


def _limit(chosen: Deviation, days: Mapping[int, int], day: int) -> int | None:
    """From so many points on, the day may be one to flag."""
    if chosen.mode == "off":
        return None
    before = sorted(points for one, points in days.items() if one < day)
    if len(before) < chosen.min_days:
        return None
    spread = deviation.spread_of(before)
    return 0 if spread is None else spread.reaches(chosen.score)


def _to_judge(new: Sequence[Earning], suspects: Iterable[Customer]) -> Places:
    """The suspects who have something new, each with the place of the earliest of it."""
    wanted = set(suspects)
    places: Places = {}
    for one in new:
        if one.customer in wanted:
            place = (one.at, one.transaction_id)
            places[one.customer] = min(place, places.get(one.customer, place))
    return places


async def _later_by_store(connection: Connection, new: Sequence[Earning]) -> Places:
    """Whoever was judged by a baseline of the store that lacked one of the new earnings."""
    times: dict[str, list[int]] = {}
    for one in new:
        times.setdefault(one.store_id, []).append(one.at)
    found: dict[Customer, Award] = {}
    for store_id, at in times.items():
        found |= await earnings.later_by_store(connection, store_id, first=min(at), last=max(at))
    return {customer: award.order for customer, award in found.items()}


# -- looking closely


async def _look_at(connection: Connection, places: Places, batch: _Batch) -> list[Anomaly]:
    """Judge the customers' whole histories, and write what changed of their anomalies from their
    places on."""
    suspects = list(places)
    await earnings.lock(connection, suspects)
    changed: list[Anomaly] = []
    for start in range(0, len(suspects), _LOOKED_AT):
        histories = await earnings.histories(connection, suspects[start : start + _LOOKED_AT])
        since = [history[0].award.at for history in histories.values()]
        known = await anomalies.of_customers(connection, list(histories), since)
        for customer, history in histories.items():
            era = _era(customer, batch.of(customer), history, places[customer])
            changed += await _judge(connection, batch, era, history, known[customer])
    events = [render.event(one, ANOMALY_FLAGGED) for one in changed if one.is_shown]
    await anomalies.put(connection, changed)
    await anomalies.add_to_outbox(connection, events)
    return changed


def _era(
    customer: Customer, chosen: StoreSettings, history: Sequence[Seen], earliest: Place
) -> Era:
    return Era(
        store_id=customer[0],
        customer_id=customer[1],
        revision=chosen.revision,
        mode={kind: mode_of(chosen.settings, kind) for kind in DETECTORS},
        since=0 if len(history) < HISTORY else history[HISTORY // 2].award.at,
        earliest=earliest,
        current=frozenset(one.award.id for one in history if one.revision == chosen.revision),
        now=utc_now(),
    )


async def _judge(
    connection: Connection,
    batch: _Batch,
    era: Era,
    history: Sequence[Seen],
    known: Sequence[Anomaly],
) -> list[Anomaly]:
    customer = (era.store_id, era.customer_id)
    settings = batch.of(customer).settings
    awards = marked([one.award for one in history], known, era)
    store: dict[str, Baseline] = {}
    judgement = judge(awards, settings, store)
    while judgement.asked:
        store |= await earnings.store_before(connection, customer[0], judgement.asked)
        judgement = judge(awards, settings, store)
    await earnings.mark_by_store(connection, customer, [one for one in awards if one.id in store])
    changes = reconcile(known, judgement.findings, era)
    if changes:
        after = {one.id: one for one in (*known, *changes)}
        await earnings.mark(connection, customer, remarked(history, list(after.values())))
    return changes


def remarked(history: Sequence[Seen], present: Sequence[Anomaly]) -> dict[Award, bool]:
    """The earnings whose place in the baselines is another, given all of a customer's anomalies."""
    out = {id_ for one in present if one.keeps_out for id_ in one.transaction_ids}
    return {
        one.award: one.award.id not in out for one in history if one.normal == (one.award.id in out)
    }


# -- windows that hold no longer


def _stale(
    batch: _Batch, suspects: Sequence[Customer], changed: Sequence[Anomaly]
) -> Iterator[tuple[Customer, int]]:
    """Suspects whose baselines may be others now: by what was flagged, or by an earlier day."""
    flagged = {(one.store_id, one.customer_id) for one in changed}
    today = int(utc_now().timestamp()) * MS_A_SECOND // MS_A_DAY
    for customer in suspects:
        if customer in flagged or any(
            one.at // MS_A_DAY < today for one in batch.earnings.get(customer, ())
        ):
            yield customer, batch.of(customer).epoch


async def _forget(windows: Windows, stale: Iterator[tuple[Customer, int]]) -> bool:
    """Drop windows before the commit that makes them stale; answers whether Redis took it."""
    try:
        await windows.forget(list(stale))
    except RedisAway:
        return False
    return True
