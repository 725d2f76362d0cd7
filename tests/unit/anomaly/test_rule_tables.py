"""The worked tables of docs/rules/anomaly.md, run row by row with the default settings."""

from pathlib import Path

import pytest

from libs.contracts.anomalies import AnomalySettings
from services.anomaly.domain.baselines import Baseline, median
from services.anomaly.domain.detectors import judge
from services.anomaly.domain.findings import Finding
from tests.unit.anomaly.earnings import amounts, days, earning, every

PAGE = Path(__file__).parents[3] / "docs" / "rules" / "anomaly.md"
NONE = "–"


def table(*, first_heading: str) -> list[list[str]]:
    """The rows of the table whose first column has the heading."""
    lines = PAGE.read_text().splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith(f"| {first_heading} |"))
    rows = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows


def number(text: str) -> int:
    return int(text.replace(",", ""))


def of_type(findings: list[Finding], kind: str) -> list[Finding]:
    return [one for one in findings if one.type == kind]


@pytest.mark.parametrize(
    ("count", "apart", "flagged", "description"), table(first_heading="earnings")
)
def test_rapid_earning_is_what_the_documentation_says(
    count: str, apart: str, flagged: str, description: str
) -> None:
    findings = judge(every(float(apart), int(count)), AnomalySettings()).findings
    bursts = of_type(list(findings), "rapid_earning")
    assert sum(len(one.earnings) for one in bursts) == int(flagged)
    assert [one.description for one in bursts] == ([description] if int(flagged) else [])


@pytest.mark.parametrize(
    ("earlier", "store", "points", "flagged", "description"),
    table(first_heading="earlier earnings"),
)
def test_unusual_amounts_are_what_the_documentation_says(
    earlier: str, store: str, points: str, flagged: str, description: str
) -> None:
    own = [number(one) for one in earlier.split() if one != NONE]
    others = sorted(number(one) for one in store.split() if one != NONE)
    earnings = amounts([*own, number(points)])
    before = Baseline(median(others), len(others)) if others else None
    baselines = {} if before is None else {one.id: before for one in earnings}
    findings = judge(earnings, AnomalySettings(), baselines).findings
    unusual = of_type(list(findings), "unusual_amount")
    assert [one.description for one in unusual] == ([description] if flagged == "yes" else [])
    assert all(one.earnings == (earnings[-1],) for one in unusual)


@pytest.mark.parametrize(
    ("earlier", "day", "flagged", "score"), table(first_heading="earlier days")
)
def test_deviations_are_what_the_documentation_says(
    earlier: str, day: str, flagged: str, score: str
) -> None:
    before: list[int] = []
    for group in earlier.split(", "):
        times, points = group.split(" × ")
        before += [number(points)] * int(times)
    earnings = days([*before, number(day)])
    findings = judge(earnings, AnomalySettings()).findings
    deviating = of_type(list(findings), "deviation")
    assert len(deviating) == (flagged == "yes")
    for one in deviating:
        assert one.earnings == (earnings[-1],)
        assert one.evidence["score"] == pytest.approx(float(score), abs=0.01)


def test_a_days_earnings_are_judged_together() -> None:
    steady = days([1_000] * 14)
    parts = [
        earning(900, day=14),
        earning(900, day=14, second=40_000),
        earning(900, day=14, second=-40),
    ]
    (deviating,) = of_type(list(judge([*steady, *parts], AnomalySettings()).findings), "deviation")
    assert deviating.points == 2_700
    assert [one.at for one in deviating.earnings] == sorted(one.at for one in parts)
    assert deviating.description == "2,700 points on 2026-03-24 (normally 1,000 a day)"
