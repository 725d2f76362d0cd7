"""Anomalies: how findings create, extend, merge and withdraw them, and how people review them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

import msgspec
from msgspec import Struct

from libs.contracts.anomalies import (
    ANOMALY_TYPES,
    AnomalyStatus,
    AnomalyType,
    Mode,
    Resolution,
)
from libs.kernel.errors import Conflict
from libs.kernel.versions import require_version
from services.anomaly.domain.earnings import HISTORY_LIMIT, Earning, Position, RecordedEarning
from services.anomaly.domain.findings import Finding

ID_PREFIX: Final = "anom"

# `withdrawn` is never shown: the anomaly was merged into another, or late earnings made it normal.
Status = Literal["pending_review", "in_review", "resolved", "withdrawn"]
OPEN: Final = frozenset({"pending_review", "in_review"})
_ALL_TYPES: Final = frozenset(ANOMALY_TYPES)


class Anomaly(Struct, frozen=True, kw_only=True):
    """Suspicious earnings of one customer, from `first_at` to `last_at` in milliseconds since 1970.
    `settings_revision` is the revision of the detector settings that flagged them."""

    id: UUID
    store_id: str
    customer_id: str
    type: AnomalyType
    mode: Mode
    settings_revision: int
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
    reviewer: str | None = None
    in_review_at: datetime | None = None
    # Unknown for a version that was written before times of versions were recorded.
    updated_at: datetime | None = None

    @property
    def public_id(self) -> str:
        return f"{ID_PREFIX}_{self.id}"

    @property
    def public_status(self) -> AnomalyStatus:
        # An anomaly is withdrawn only while it is pending.
        return "pending_review" if self.status == "withdrawn" else self.status

    @property
    def is_shown(self) -> bool:
        return self.mode == "review"

    @property
    def is_open(self) -> bool:
        return self.status in OPEN

    @property
    def excludes_earnings(self) -> bool:
        """Whether its earnings are out of the baselines."""
        return self.is_shown and (self.is_open or self.resolution in {"voided", "suspended"})

    def next_version(self, now: datetime, **changes: Any) -> Anomaly:
        """The anomaly with `changes` to its fields, as a new version."""
        return msgspec.structs.replace(self, version=self.version + 1, updated_at=now, **changes)


class Review(Struct, frozen=True, kw_only=True):
    """A person's decision; `reviewed_by` is the name of the key that was used, `reviewer` that of the
    person, as the caller gave it. `version` is the version that the person saw, if they said."""

    status: AnomalyStatus
    resolution: Resolution | None
    note: str | None
    reviewed_by: str
    reviewer: str | None = None
    version: int | None = None


class EvaluationContext(Struct, frozen=True, kw_only=True):
    """What decides how a customer's findings change the anomalies.

    Findings before `since` are ignored, because not all that their judgment needs was read.
    `earliest` is the position of the earliest earning to judge now: anomalies whose earnings are all
    earlier stay as they are. `under_current_settings` holds the ids of the earnings recorded under the
    settings in force.
    """

    store_id: str
    customer_id: str
    settings_revision: int
    mode: dict[AnomalyType, Mode]
    since: int
    earliest: Position
    under_current_settings: frozenset[str]
    now: datetime

    def can_change(self, anomaly: Anomaly) -> bool:
        """Whether findings may still change the anomaly."""
        return (
            anomaly.is_open
            and anomaly.settings_revision == self.settings_revision
            and anomaly.first_at >= self.since
        )

    def may_withdraw(self, anomaly: Anomaly) -> bool:
        """Whether the anomaly ends unless the judgment finds it again. Only an earning before its last
        one can have made it normal."""
        return (
            self.can_change(anomaly)
            and anomaly.status == "pending_review"
            and anomaly.last_at >= self.earliest[0]
        )

    def is_decided(self, earning: Earning) -> bool:
        """Whether no anomaly may begin with the earning: it was judged before, or recorded under other
        settings."""
        return earning.position < self.earliest or earning.id not in self.under_current_settings


def complete_since(history: Sequence[RecordedEarning]) -> int:
    """The event time from which a customer's findings count. Of a history that was cut, the older
    half serves only the baselines of the newer half."""
    return 0 if len(history) < HISTORY_LIMIT else history[HISTORY_LIMIT // 2].earning.at


def with_anomalies(
    earnings: Iterable[Earning], anomalies: Sequence[Anomaly], context: EvaluationContext
) -> list[Earning]:
    """The earnings, each excluded from the baselines, exempt from detectors or settled as the
    customer's anomalies require.

    Before `context.earliest` the baselines are thus the recorded ones, on which screening relies.
    """
    excluded: set[str] = set()
    undecided: set[str] = set()
    exempt: dict[str, set[AnomalyType]] = {}
    changeable: set[tuple[str, AnomalyType]] = set()
    for anomaly in anomalies:
        can_change = context.can_change(anomaly)
        # The judgment decides again whether earnings of the others are suspicious.
        if context.may_withdraw(anomaly):
            undecided.update(anomaly.transaction_ids)
        elif anomaly.excludes_earnings:
            excluded.update(anomaly.transaction_ids)
        if can_change:
            changeable.update((id_, anomaly.type) for id_ in anomaly.transaction_ids)
        elif anomaly.status != "withdrawn":
            types = _ALL_TYPES if anomaly.status == "resolved" else {anomaly.type}
            for id_ in anomaly.transaction_ids:
                exempt.setdefault(id_, set()).update(types)
    return [
        Earning(
            earning.id,
            earning.points,
            earning.at,
            earning.id in excluded,
            frozenset(
                kind for kind in exempt.get(earning.id, ()) if (earning.id, kind) not in changeable
            ),
            context.is_decided(earning) and earning.id not in undecided,
        )
        for earning in earnings
    ]


def reconcile(
    anomalies: Sequence[Anomaly],
    findings: Sequence[Finding],
    context: EvaluationContext,
    *,
    new_id: Callable[[], UUID],
) -> list[Anomaly]:
    """The anomalies that the findings create or change, without those that stay as they are."""
    candidates = sorted(
        (anomaly for anomaly in anomalies if context.can_change(anomaly)), key=_precedence
    )
    changes: list[Anomaly] = []
    confirmed: set[UUID] = set()
    for finding in findings:
        if finding.earnings[0].at < context.since:
            continue
        ids = {earning.id for earning in finding.earnings}
        is_new = finding.earnings[-1].position >= context.earliest
        matching = [
            anomaly
            for anomaly in candidates
            if anomaly.type == finding.type and not ids.isdisjoint(anomaly.transaction_ids)
        ]
        confirmed.update(anomaly.id for anomaly in matching)
        if not matching:
            if is_new and not ids.isdisjoint(context.under_current_settings):
                changes.append(_create(new_id(), finding, context))
            continue
        survivor, *merged = matching
        # Late earnings before it change its evidence even where it gains no earning.
        has_new_evidence = is_new and finding.evidence != survivor.evidence
        if has_new_evidence or ids - set(survivor.transaction_ids):
            changes.append(survivor.next_version(context.now, **_content(finding)))
        changes += [
            anomaly.next_version(context.now, status="withdrawn", merged_into=survivor.id)
            for anomaly in merged
            if anomaly.status == "pending_review"
        ]
    changes += [
        anomaly.next_version(context.now, status="withdrawn")
        for anomaly in candidates
        if anomaly.id not in confirmed and context.may_withdraw(anomaly)
    ]
    return changes


def _precedence(anomaly: Anomaly) -> tuple[bool, UUID]:
    """An anomaly in review survives a merge, then the oldest one."""
    return anomaly.status != "in_review", anomaly.id


def _create(id_: UUID, finding: Finding, context: EvaluationContext) -> Anomaly:
    return Anomaly(
        id=id_,
        store_id=context.store_id,
        customer_id=context.customer_id,
        type=finding.type,
        mode=context.mode[finding.type],
        settings_revision=context.settings_revision,
        version=1,
        status="pending_review",
        flagged_at=context.now,
        updated_at=context.now,
        **_content(finding),
    )


def _content(finding: Finding) -> dict[str, Any]:
    """The fields of an anomaly that a finding decides."""
    return {
        "description": finding.description,
        "points": finding.points,
        "transaction_ids": tuple(earning.id for earning in finding.earnings),
        "first_at": finding.earnings[0].at,
        "last_at": finding.earnings[-1].at,
        "evidence": finding.evidence,
    }


def baseline_changes(
    history: Sequence[RecordedEarning], anomalies: Sequence[Anomaly]
) -> dict[Earning, bool]:
    """Which recorded earnings enter (True) or leave (False) the baselines, given all of the
    customer's anomalies."""
    excluded = {
        id_ for anomaly in anomalies if anomaly.excludes_earnings for id_ in anomaly.transaction_ids
    }
    return {
        recorded.earning: recorded.earning.id not in excluded
        for recorded in history
        if recorded.in_baselines == (recorded.earning.id in excluded)
    }


def apply_review(anomaly: Anomaly, review: Review, now: datetime) -> Anomaly:
    """The anomaly after the review. Raises Conflict where it is withdrawn or resolved already, where
    the person saw another version, and where a review is stopped that was not started."""
    if anomaly.status == "withdrawn":
        raise Conflict(
            "This anomaly was withdrawn: it was merged into another one, or turned out to be normal."
        )
    if anomaly.status == "resolved":
        raise Conflict(
            f"This anomaly was already resolved as {anomaly.resolution} by {anomaly.reviewed_by}.",
            reviewed_by=anomaly.reviewed_by,
            resolution=anomaly.resolution,
        )
    require_version(review.version, anomaly.version)
    if review.status == "pending_review":
        return _stop_review(anomaly, review, now)
    return anomaly.next_version(
        now,
        status=review.status,
        resolution=review.resolution,
        note=anomaly.note if review.note is None else review.note,
        reviewed_by=review.reviewed_by,
        # Of this review: another key's review must not keep the name of the person before.
        reviewer=review.reviewer,
        in_review_at=now if review.status == "in_review" else anomaly.in_review_at,
        resolved_at=now if review.status == "resolved" else None,
    )


def _stop_review(anomaly: Anomaly, review: Review, now: datetime) -> Anomaly:
    """The anomaly as nobody reviews it, with the note."""
    if anomaly.status != "in_review":
        raise Conflict("This anomaly is not in review, so there is no review to stop.")
    return anomaly.next_version(
        now,
        status="pending_review",
        note=anomaly.note if review.note is None else review.note,
        reviewed_by=None,
        reviewer=None,
        in_review_at=None,
    )
