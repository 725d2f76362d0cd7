"""What other settings would have flagged in the recorded history. Reads, and changes nothing."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Final

from msgspec import Struct, field

from libs.contracts.anomalies import (
    AnomalySettings,
    AnomalyType,
    BacktestAnswer,
    BacktestDay,
    BacktestDetector,
    Recall,
    Resolution,
)
from libs.persistence.engine import Connection
from services.anomaly.domain.awards import MS_A_SECOND, Baseline, Finding
from services.anomaly.domain.detectors import DETECTORS, judge
from services.anomaly.store import anomalies, earnings
from services.anomaly.store.anomalies import Judged
from services.anomaly.store.earnings import Customer, Seen

# Histories of so many customers are in memory at a time, of up to 4,000 earnings each.
_AT_ONCE: Final = 50


class _Flagged(Struct):
    """What a detector flagged of the days looked at."""

    findings: int = 0
    points: int = 0
    customers: set[str] = field(default_factory=set)
    days: Counter[date] = field(default_factory=Counter)
    points_of: Counter[date] = field(default_factory=Counter)
    # Of the transactions that people judged, those in a finding.
    judged: set[str] = field(default_factory=set)

    def add(self, customer_id: str, finding: Finding, judged: frozenset[str]) -> None:
        day = _day(finding)
        self.findings += 1
        self.points += finding.points
        self.customers.add(customer_id)
        self.days[day] += 1
        self.points_of[day] += finding.points
        self.judged.update(judged.intersection(award.id for award in finding.awards))


async def backtest(
    connection: Connection,
    store_id: str,
    settings: AnomalySettings,
    *,
    first: date,
    last: date,
    count: int,
) -> BacktestAnswer:
    """Judge the `count` earnings of the UTC days `first` to `last`, both included, as if `settings`
    had always been in force and nobody had reviewed anything."""
    flagged = {kind: _Flagged() for kind in DETECTORS}
    judged = await anomalies.judged_between(connection, store_id, first=first, last=last)
    judged_ids = frozenset[str]().union(*(one.transaction_ids for one in judged))
    customers = await earnings.customers_between(connection, store_id, first=first, last=last)
    for start in range(0, len(customers), _AT_ONCE):
        histories = await earnings.histories(connection, customers[start : start + _AT_ONCE])
        for customer, history in histories.items():
            for finding in await _judge(connection, customer, history, settings):
                if first <= _day(finding) <= last:
                    flagged[finding.type].add(customer[1], finding, judged_ids)
    return BacktestAnswer(
        from_=first.isoformat(),
        to=last.isoformat(),
        earnings=count,
        detectors=[_told(kind, one, judged) for kind, one in flagged.items()],
    )


async def _judge(
    connection: Connection, customer: Customer, history: Sequence[Seen], settings: AnomalySettings
) -> Sequence[Finding]:
    awards = [one.award for one in history]
    store: dict[str, Baseline] = {}
    judgement = judge(awards, settings, store)
    while judgement.asked:
        store |= await earnings.store_before(connection, customer[0], judgement.asked)
        judgement = judge(awards, settings, store)
    return judgement.findings


def _day(finding: Finding) -> date:
    return datetime.fromtimestamp(finding.awards[-1].at / MS_A_SECOND, UTC).date()


def _told(kind: AnomalyType, flagged: _Flagged, judged: Sequence[Judged]) -> BacktestDetector:
    def recall(resolution: Resolution) -> Recall:
        those = [one for one in judged if one.type == kind and one.resolution == resolution]
        again = [one for one in those if not flagged.judged.isdisjoint(one.transaction_ids)]
        return Recall(total=len(those), flagged=len(again))

    return BacktestDetector(
        type=kind,
        flagged=flagged.findings,
        customers=len(flagged.customers),
        points_involved=flagged.points,
        days=[
            BacktestDay(date=day.isoformat(), flagged=count, points_involved=flagged.points_of[day])
            for day, count in sorted(flagged.days.items())
        ],
        voided=recall("voided"),
        suspended=recall("suspended"),
        approved=recall("approved"),
    )
