"""A backtest: what other settings would have flagged in the recorded history. Changes nothing."""

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
from services.anomaly.domain.detectors import DETECTORS
from services.anomaly.domain.earnings import MS_PER_SECOND
from services.anomaly.domain.findings import Finding
from services.anomaly.handlers.judgments import judge_customers
from services.anomaly.store import anomalies, earnings
from services.anomaly.store.anomalies import ResolvedAnomaly

# Histories of this many customers are in memory at a time, of up to 4,000 earnings each.
_JUDGED_TOGETHER: Final = 50


class _Flagged(Struct):
    """What a detector flags on the days of the backtest."""

    findings: int = 0
    points: int = 0
    customers: set[str] = field(default_factory=set)
    days: Counter[date] = field(default_factory=Counter)
    points_by_day: Counter[date] = field(default_factory=Counter)
    # The transactions in a finding that are also in a resolved anomaly.
    resolved: set[str] = field(default_factory=set)

    def add(self, customer_id: str, finding: Finding, resolved: frozenset[str]) -> None:
        day = _day(finding)
        self.findings += 1
        self.points += finding.points
        self.customers.add(customer_id)
        self.days[day] += 1
        self.points_by_day[day] += finding.points
        self.resolved.update(resolved.intersection(earning.id for earning in finding.earnings))


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
    resolved = await anomalies.resolved_between(connection, store_id, first=first, last=last)
    resolved_ids = frozenset[str]().union(*(anomaly.transaction_ids for anomaly in resolved))
    customers = await earnings.customers_between(connection, store_id, first=first, last=last)
    for start in range(0, len(customers), _JUDGED_TOGETHER):
        chunk = customers[start : start + _JUDGED_TOGETHER]
        histories = await earnings.histories(connection, chunk)
        judgments = await judge_customers(
            connection,
            {
                customer: [recorded.earning for recorded in history]
                for customer, history in histories.items()
            },
            dict.fromkeys(chunk, settings),
            exclude_flagged=False,
        )
        for (_, customer_id), judgment in judgments.items():
            for finding in judgment.findings:
                if first <= _day(finding) <= last:
                    flagged[finding.type].add(customer_id, finding, resolved_ids)
    return BacktestAnswer(
        from_=first.isoformat(),
        to=last.isoformat(),
        earnings=count,
        detectors=[_detector(kind, counts, resolved) for kind, counts in flagged.items()],
    )


def _day(finding: Finding) -> date:
    return datetime.fromtimestamp(finding.earnings[-1].at / MS_PER_SECOND, UTC).date()


def _detector(
    kind: AnomalyType, flagged: _Flagged, resolved: Sequence[ResolvedAnomaly]
) -> BacktestDetector:
    def recall(resolution: Resolution) -> Recall:
        same = [
            anomaly
            for anomaly in resolved
            if anomaly.type == kind and anomaly.resolution == resolution
        ]
        again = [
            anomaly for anomaly in same if not flagged.resolved.isdisjoint(anomaly.transaction_ids)
        ]
        return Recall(total=len(same), flagged=len(again))

    return BacktestDetector(
        type=kind,
        flagged=flagged.findings,
        customers=len(flagged.customers),
        points_involved=flagged.points,
        days=[
            BacktestDay(
                date=day.isoformat(), flagged=count, points_involved=flagged.points_by_day[day]
            )
            for day, count in sorted(flagged.days.items())
        ],
        voided=recall("voided"),
        suspended=recall("suspended"),
        approved=recall("approved"),
    )
