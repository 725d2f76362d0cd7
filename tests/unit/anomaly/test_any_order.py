"""Whatever the order of arrival, the batches and the repeats: the anomalies are those in order."""

import random
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

import pytest

from libs.contracts.anomalies import AnomalySettings
from services.anomaly.domain.anomalies import Anomaly, EvaluationContext, marked, reconcile
from services.anomaly.domain.awards import Award, Baseline, in_order
from services.anomaly.domain.detectors import DETECTORS, judge, mode_of
from tests.unit.anomaly.earnings import NOON

SHIPPED = AnomalySettings()
NO_STORE = Baseline(Decimal(0), 0)
HISTORIES = 120

Batches = Sequence[Sequence[Award]]


def open_after(batches: Batches) -> list[tuple[object, ...]]:
    """The open anomalies once the batches have come, without their ids and times of flagging."""
    seen: dict[str, Award] = {}
    known: dict[UUID, Anomaly] = {}
    for batch in batches:
        new = [award for award in batch if award.id not in seen]
        if not new:
            continue
        seen |= {award.id: award for award in new}
        era = EvaluationContext(
            store_id="store_1",
            customer_id="cust_1",
            revision=0,
            mode={kind: mode_of(SHIPPED, kind) for kind in DETECTORS},
            since=0,
            earliest=min(award.order for award in new),
            current=frozenset(seen),
            now=datetime.now(UTC),
        )
        awards = marked(in_order(seen.values()), list(known.values()), era)
        findings = judge(awards, SHIPPED, dict.fromkeys(seen, NO_STORE)).findings
        known |= {one.id: one for one in reconcile(list(known.values()), findings, era)}
    return sorted(
        (one.type, one.description, one.points, one.transaction_ids, str(one.evidence))
        for one in known.values()
        if one.is_open
    )


def history(choose: random.Random, *, dense: bool) -> list[Award]:
    """Up to sixty earnings, seconds to minutes apart; or up to days, where they are not `dense`."""
    gaps = [0, 1_000, 5_000, 13_000, 20_000]
    gaps += [] if dense else [60_000, 3_600_000, 86_400_000, 86_400_000]
    at = NOON
    awards = []
    for number in range(choose.randint(8, 60)):
        at += choose.choice(gaps)
        points = choose.choice([100, 100, 120, 150, 200, 1_500, 3_000])
        awards.append(Award(f"a{number:03}", points, at))
    return awards


def in_batches(choose: random.Random, awards: Sequence[Award]) -> Batches:
    batches = []
    left = list(awards)
    while left:
        size = choose.randint(1, 7)
        batches.append(left[:size])
        left = left[size:]
    return batches


@pytest.mark.parametrize("dense", [True, False], ids=["dense", "sparse"])
def test_any_order_of_arrival_gives_the_anomalies_of_the_order_in_time(*, dense: bool) -> None:
    seed = random.randrange(10**6)
    print("seed", seed)
    found: set[object] = set()
    for number in range(HISTORIES):
        choose = random.Random(seed + number)
        awards = history(choose, dense=dense)
        ordered = open_after([[award] for award in awards])
        found |= {one[0] for one in ordered}
        mixed = awards.copy()
        choose.shuffle(mixed)
        assert open_after(in_batches(choose, mixed)) == ordered, seed + number
        assert open_after([[award] for award in awards * 2]) == ordered, seed + number
        assert open_after([awards]) == ordered, seed + number
    assert {"rapid_earning", "unusual_amount"} <= found
