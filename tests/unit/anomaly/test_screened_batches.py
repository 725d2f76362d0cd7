"""Screened detection flags what judging every customer flags: the handlers, on a store in memory."""

import asyncio
import random
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, get_args
from uuid import UUID

import pytest

from libs.contracts.anomalies import (
    AnomalySettings,
    Deviation,
    RapidEarning,
    Resolution,
    UnusualAmount,
)
from services.anomaly.domain.anomalies import Review
from services.anomaly.domain.detectors import screen
from services.anomaly.domain.earnings import MS_PER_DAY
from services.anomaly.handlers import detection, reviews
from services.anomaly.store.earnings import EarningEvent
from tests.unit.anomaly.earnings import NOON
from tests.unit.anomaly.memory_store import MemoryStore

STORE, CUSTOMER = "store_1", "cust_1"
# Two in a hundred found that a judgment counted other earnings than the digest.
HISTORIES = 300
STEPS = (1, 59_999, 60_001, -5_000, *(3_600_000,) * 3, *(MS_PER_DAY,) * 7)
POINTS = (2, 2, 2, 3, 3, 3, 3, 4, 5, 7, 9, 30)
# The default settings flag none of these earnings but a burst; the others flag some of their own.
SETTINGS = (
    AnomalySettings(),
    *(
        AnomalySettings(
            rapid_earning=RapidEarning(count=3, window_seconds=window),
            unusual_amount=UnusualAmount(min_history=2, min_points=8, factor=Decimal(4)),
            deviation=Deviation(min_days=days, score=Decimal(6)),
        )
        for window, days in ((60, 2), (600, 3))
    ),
)

Batch = Sequence[EarningEvent]
Step = Batch | AnomalySettings | Resolution


def event(number: int, points: int, at: int) -> EarningEvent:
    return EarningEvent(STORE, CUSTOMER, f"txn_{UUID(int=number)}", points, at, "")


def make_history(choose: random.Random) -> list[Step]:
    """Batches of earnings, some of them late, changes of the settings, and resolutions."""
    steps: list[Step] = [choose.choice(SETTINGS)]
    at, number = NOON, 0
    for _ in range(choose.randint(5, 25)):
        batch = []
        for _ in range(choose.choice([1, 1, 1, 2, 3])):
            at += choose.choice(STEPS)
            number += 1
            batch.append(event(number, choose.choice(POINTS), at))
        steps.append(batch)
        if choose.random() < 0.1:
            number += 1
            late = choose.randint(NOON - 3 * MS_PER_DAY, at)
            steps.append([event(number, choose.choice(POINTS), late)])
        if choose.random() < 0.2:
            steps.append(choose.choice(get_args(Resolution)))
        if choose.random() < 0.1:
            steps.append(choose.choice(SETTINGS))
    return steps


async def play(steps: Sequence[Step], screening: Any) -> list[tuple[Any, ...]]:
    """The anomalies after the steps, without their ids and times of flagging."""
    store = MemoryStore()
    with pytest.MonkeyPatch.context() as patch:
        store.install(patch)
        patch.setattr(detection, "screen", screening)
        for step in steps:
            if isinstance(step, AnomalySettings):
                store.change_settings(STORE, step)
            elif isinstance(step, str):
                await resolve_first(store, step)
            else:
                await detection.detect(object(), step)  # type: ignore[arg-type]
    return sorted(
        (
            one.type,
            one.first_at,
            one.transaction_ids,
            one.status,
            one.description,
            str(one.evidence),
        )
        for one in store.anomalies.values()
        if one.status != "withdrawn"
    )


async def resolve_first(store: MemoryStore, resolution: Resolution) -> None:
    """Resolve the earliest open anomaly, if there is any."""
    pending = [one for one in store.anomalies.values() if one.status == "pending_review"]
    if pending:
        first = min(pending, key=lambda one: (one.first_at, one.type))
        review = Review(status="resolved", resolution=resolution, note=None, reviewed_by="test")
        await reviews.carry_out(object(), STORE, first.public_id, review)  # type: ignore[arg-type]


def judge_all(*_: object) -> tuple[bool, None]:
    return True, None


def test_screened_batches_flag_what_judging_every_customer_flags() -> None:
    seed = random.randrange(10**6)
    print("seed", seed)
    screenings: list[bool] = []

    def counted(*arguments: Any) -> Any:
        result = screen(*arguments)
        screenings.append(result[0])
        return result

    flagged = 0
    for number in range(seed, seed + HISTORIES):
        steps = make_history(random.Random(number))
        anomalies = asyncio.run(play(steps, counted))
        assert anomalies == asyncio.run(play(steps, judge_all)), number
        flagged += len(anomalies)
    assert flagged > HISTORIES
    assert screenings.count(False) > len(screenings) / 10


def day(number: int, *points: int, minutes: int = 60) -> Batch:
    """A batch of a day's earnings, so many minutes apart."""
    return [
        event(100 * number + nth, each, NOON + number * MS_PER_DAY + nth * minutes * 60_000)
        for nth, each in enumerate(points, start=1)
    ]


def burst(number: int, points: int) -> Batch:
    return day(number, *[points] * 3, minutes=0)


@pytest.mark.parametrize(
    ("before", "last"),
    [
        # Under the new settings 30 points would be unusual, and without them 7 points too.
        pytest.param(
            [day(1, 3), day(2, 3), day(3, 5), day(4, 30), SETTINGS[1]], day(5, 7), id="new"
        ),
        # A late earning has everything after it judged again, but by the settings of its time.
        pytest.param(
            [day(1, 3), day(2, 3), day(3, 5), day(4, 30), SETTINGS[1], day(5, 5, 5), day(0, 2)],
            day(5, 5, 5),
            id="new and late",
        ),
        # With the approved day there are enough days to flag 7 points, which were not flagged without.
        pytest.param(
            [SETTINGS[1], burst(1, 1), day(2, 3), day(3, 7), day(4, 7), "approved"],
            day(5, 7),
            id="approved",
        ),
        # 7 points stay flagged, although they are not unusual among the approved days.
        pytest.param(
            [
                SETTINGS[1],
                burst(1, 3),
                burst(2, 3),
                day(3, 3),
                day(4, 3),
                day(5, 7),
                *["approved"] * 2,
            ],
            day(6, 7, 7, 7, 7),
            id="still open",
        ),
    ],
)
def test_a_judgment_keeps_what_earlier_ones_decided(before: list[Step], last: Batch) -> None:
    """Whatever it would decide now: nothing is flagged on the last day."""
    for screening in (screen, judge_all):
        anomalies = asyncio.run(play([*before, last], screening))
        flagged = {id_ for one in anomalies for id_ in one[2]}
        assert flagged.isdisjoint(one.transaction_id for one in last)


def test_a_judgment_flags_by_the_settings_in_force() -> None:
    """The same earnings as above, all of them recorded under the new settings."""
    steps: list[Step] = [SETTINGS[1], day(1, 3), day(2, 3), day(3, 5), day(4, 30), day(5, 7)]
    anomalies = asyncio.run(play(steps, screen))
    assert (day(5, 7)[0].transaction_id,) in [one[2] for one in anomalies]
