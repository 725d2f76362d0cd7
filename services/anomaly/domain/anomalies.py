"""Anomalies: how findings make, grow, join and withdraw them, and how people resolve them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

import msgspec
from msgspec import Struct

from libs.contracts.anomalies import AnomalyType, Mode, Resolution
from libs.kernel.errors import Conflict
from libs.kernel.ids import uuid7
from services.anomaly.domain.awards import Award, Finding

# Beyond what callers see: nobody had looked at it, and it is none after all.
Status = Literal["pending_review", "in_review", "resolved", "withdrawn"]
OPEN: Final = frozenset({"pending_review", "in_review"})
_ALL_TYPES: Final[frozenset[AnomalyType]] = frozenset(
    {"rapid_earning", "unusual_amount", "deviation"}
)


class Anomaly(Struct, frozen=True, kw_only=True):
    """Suspicious earnings of one customer; `first_at` and `last_at` are their span in milliseconds
    since 1970. `revision` is that of the settings it was judged by."""

    id: UUID
    store_id: str
    customer_id: str
    type: AnomalyType
    mode: Mode
    revision: int
    version: int
    description: str
    points: int
    transaction_ids: tuple[str, ...]
    first_at: int
    last_at: int
    evidence: dict[str, Any]
    status: Status
    flagged_at: datetime
    merged_into: UUID | None = None
    resolution: Resolution | None = None
    note: str | None = None
    reviewed_by: str | None = None
    resolved_at: datetime | None = None

    @property
    def is_shown(self) -> bool:
        return self.mode == "review"

    @property
    def is_open(self) -> bool:
        return self.status in OPEN

    @property
    def keeps_out(self) -> bool:
        """Whether its earnings are out of the baselines."""
        return self.is_shown and (self.is_open or self.resolution in {"voided", "suspended"})

    def changed(self, **named: Any) -> Anomaly:
        """The next version, with the fields `named` replaced."""
        return msgspec.structs.replace(self, version=self.version + 1, **named)


class Review(Struct, frozen=True, kw_only=True):
    """What a person decided, by the name of the key they used."""

    status: Literal["in_review", "resolved"]
    resolution: Resolution | None
    note: str | None
    reviewed_by: str


class EvaluationContext(Struct, frozen=True, kw_only=True):
    """What a customer's findings are taken into account with: `since` is the time from which all
    that a judgement needs is known, `earliest` the place of the first earning that is judged now:
    what was flagged before it stands."""

    store_id: str
    customer_id: str
    revision: int
    mode: dict[AnomalyType, Mode]
    since: int
    earliest: tuple[int, str]
    current: frozenset[str]
    now: datetime

    def is_live(self, anomaly: Anomaly) -> bool:
        """Whether what is found now may still change it."""
        return (
            anomaly.is_open and anomaly.revision == self.revision and anomaly.first_at >= self.since
        )


def marked(
    awards: Iterable[Award], known: Sequence[Anomaly], era: EvaluationContext
) -> list[Award]:
    """The earnings with what their anomalies mean for judging them: those of frozen anomalies are
    settled, those that stay suspicious whatever is found are excluded."""
    excluded: set[str] = set()
    settled: dict[str, set[AnomalyType]] = {}
    held: set[tuple[str, AnomalyType]] = set()
    for one in known:
        live = era.is_live(one)
        if one.keeps_out and not (live and one.status == "pending_review"):
            excluded.update(one.transaction_ids)
        if live:
            held.update((id_, one.type) for id_ in one.transaction_ids)
        elif one.status != "withdrawn":
            types = _ALL_TYPES if one.status == "resolved" else {one.type}
            for id_ in one.transaction_ids:
                settled.setdefault(id_, set()).update(types)
    return [
        Award(
            award.id,
            award.points,
            award.at,
            award.id in excluded,
            frozenset(kind for kind in settled.get(award.id, ()) if (award.id, kind) not in held),
        )
        for award in awards
    ]


def reconcile(
    known: Sequence[Anomaly], findings: Sequence[Finding], era: EvaluationContext
) -> list[Anomaly]:
    """The anomalies that are new or changed by what was found; what is not changed is left out."""
    live = sorted((one for one in known if era.is_live(one)), key=_precedence)
    changes: list[Anomaly] = []
    found: set[UUID] = set()
    for finding in findings:
        if finding.awards[0].at < era.since:
            continue
        ids = {award.id for award in finding.awards}
        same = [
            one
            for one in live
            if one.type == finding.type and not ids.isdisjoint(one.transaction_ids)
        ]
        found.update(one.id for one in same)
        if not same:
            if finding.awards[-1].order >= era.earliest and not ids.isdisjoint(era.current):
                changes.append(_new(finding, era))
            continue
        keeper, *others = same
        # Earnings that came late before it change the numbers it is judged by.
        retold = finding.awards[-1].order >= era.earliest and finding.evidence != keeper.evidence
        if retold or ids - set(keeper.transaction_ids):
            changes.append(_grown(keeper, finding))
        changes += [
            one.changed(status="withdrawn", merged_into=keeper.id)
            for one in others
            if one.status == "pending_review"
        ]
    # Only an earning before it can have made it normal.
    changes += [
        one.changed(status="withdrawn")
        for one in live
        if one.id not in found and one.status == "pending_review" and one.last_at >= era.earliest[0]
    ]
    return changes


def _precedence(anomaly: Anomaly) -> tuple[bool, UUID]:
    """What somebody looks at goes before what is older."""
    return anomaly.status != "in_review", anomaly.id


def _new(finding: Finding, era: EvaluationContext) -> Anomaly:
    return Anomaly(
        id=uuid7(),
        store_id=era.store_id,
        customer_id=era.customer_id,
        type=finding.type,
        mode=era.mode[finding.type],
        revision=era.revision,
        version=1,
        description=finding.description,
        points=finding.points,
        transaction_ids=tuple(award.id for award in finding.awards),
        first_at=finding.awards[0].at,
        last_at=finding.awards[-1].at,
        evidence=finding.evidence,
        status="pending_review",
        flagged_at=era.now,
    )


def _grown(anomaly: Anomaly, finding: Finding) -> Anomaly:
    return anomaly.changed(
        description=finding.description,
        points=finding.points,
        transaction_ids=tuple(award.id for award in finding.awards),
        first_at=finding.awards[0].at,
        last_at=finding.awards[-1].at,
        evidence=finding.evidence,
    )


def reviewed(anomaly: Anomaly, review: Review, now: datetime) -> Anomaly:
    """The anomaly as a person decided. Raises Conflict once it is final."""
    if anomaly.status == "withdrawn":
        raise Conflict("This anomaly was withdrawn: it is part of another, or none after all.")
    if anomaly.status == "resolved":
        raise Conflict(
            f"This anomaly was already resolved as {anomaly.resolution} by {anomaly.reviewed_by}.",
            reviewed_by=anomaly.reviewed_by,
            resolution=anomaly.resolution,
        )
    return anomaly.changed(
        status=review.status,
        resolution=review.resolution,
        note=anomaly.note if review.note is None else review.note,
        reviewed_by=review.reviewed_by,
        resolved_at=now if review.status == "resolved" else None,
    )
