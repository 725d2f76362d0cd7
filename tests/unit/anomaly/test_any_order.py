"""Any order of arrival, any batches and any duplicates give the anomalies of the order in time."""

import random
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

import pytest

from libs.contracts.anomalies import AnomalySettings
from libs.kernel.ids import uuid7
from services.anomaly.domain.anomalies import (
    Anomaly,
    EvaluationContext,
    reconcile,
    with_anomalies,
)
from services.anomaly.domain.baselines import Baseline
from services.anomaly.domain.detectors import DETECTORS, judge, mode_of
from services.anomaly.domain.earnings import Earning, in_order
from tests.unit.anomaly.earnings import NOON

DEFAULTS = AnomalySettings()
NO_BASELINE = Baseline(Decimal(0), 0)
HISTORIES = 120

Batches = Sequence[Sequence[Earning]]


def open_after(batches: Batches) -> list[tuple[object, ...]]:
    """The open anomalies after the batches, without their ids and times of flagging."""
    recorded: dict[str, Earning] = {}
    anomalies: dict[UUID, Anomaly] = {}
    for batch in batches:
        new = [earning for earning in batch if earning.id not in recorded]
        if not new:
            continue
        recorded |= {earning.id: earning for earning in new}
        context = EvaluationContext(
            store_id="store_1",
            customer_id="cust_1",
            settings_revision=0,
            mode={kind: mode_of(DEFAULTS, kind) for kind in DETECTORS},
            since=0,
            earliest=min(earning.position for earning in new),
            under_current_settings=frozenset(recorded),
            now=datetime.now(UTC),
        )
        existing = list(anomalies.values())
        earnings = with_anomalies(in_order(recorded.values()), existing, context)
        findings = judge(earnings, DEFAULTS, dict.fromkeys(recorded, NO_BASELINE)).findings
        changes = reconcile(existing, findings, context, new_id=uuid7)
        anomalies |= {one.id: one for one in changes}
    return sorted(
        (one.type, one.description, one.points, one.transaction_ids, str(one.evidence))
        for one in anomalies.values()
        if one.is_open
    )


def make_history(choose: random.Random, *, dense: bool) -> list[Earning]:
    """Up to sixty earnings: seconds apart where `dense`, else up to days apart."""
    gaps = [0, 1_000, 5_000, 13_000, 20_000]
    gaps += [] if dense else [60_000, 3_600_000, 86_400_000, 86_400_000]
    at = NOON
    earnings = []
    for number in range(choose.randint(8, 60)):
        at += choose.choice(gaps)
        points = choose.choice([100, 100, 120, 150, 200, 1_500, 3_000])
        earnings.append(Earning(f"a{number:03}", points, at))
    return earnings


def in_batches(choose: random.Random, earnings: Sequence[Earning]) -> Batches:
    batches = []
    rest = list(earnings)
    while rest:
        size = choose.randint(1, 7)
        batches.append(rest[:size])
        rest = rest[size:]
    return batches


@pytest.mark.parametrize("dense", [True, False], ids=["dense", "sparse"])
def test_any_order_of_arrival_gives_the_anomalies_of_the_order_in_time(*, dense: bool) -> None:
    seed = random.randrange(10**6)
    print("seed", seed)
    types: set[object] = set()
    for number in range(HISTORIES):
        choose = random.Random(seed + number)
        earnings = make_history(choose, dense=dense)
        ordered = open_after([[earning] for earning in earnings])
        types |= {one[0] for one in ordered}
        mixed = earnings.copy()
        choose.shuffle(mixed)
        assert open_after(in_batches(choose, mixed)) == ordered, seed + number
        assert open_after([[earning] for earning in earnings * 2]) == ordered, seed + number
        assert open_after([earnings]) == ordered, seed + number
    assert {"rapid_earning", "unusual_amount"} <= types
