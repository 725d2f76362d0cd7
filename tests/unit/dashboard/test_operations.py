"""How the state of the pipeline and the bytes of a record are shown."""

from datetime import UTC, date, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from libs.web.templates import Components
from services.dashboard.api.resources import create_assets, create_templates
from services.dashboard.domain import formatting
from services.dashboard.domain.buckets import buckets, ends
from services.dashboard.domain.pipeline import state_of, worst
from services.dashboard.domain.records import MAX_CHARACTERS, record_text
from services.dashboard.handlers.pipeline import load_health
from whale_loyalty import AsyncWhaleClient
from whale_loyalty.models import Pipeline, PipelineStep, ServiceState

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)


def client_with(state: Pipeline) -> AsyncWhaleClient:
    """A client whose system is in this state."""

    async def pipeline() -> Pipeline:
        return state

    client: Any = SimpleNamespace(loyalty=SimpleNamespace(pipeline=pipeline))
    return client


def show(component: str, value: Any) -> str:
    """What a component shows of the value."""
    variables: dict[str, Any] = {}
    components = Components(create_templates(create_assets()).environment, variables)
    variables["ui"] = components
    return " ".join(str(getattr(components, component)(value)).split())


@pytest.mark.parametrize(
    ("seconds", "is_stopped", "expected"),
    [
        (0.4, False, "on_time"),
        (4.9, False, "on_time"),
        (5.0, False, "catching_up"),
        (60.0, False, "catching_up"),
        (60.1, False, "late"),
        (None, False, "unknown"),
        (0.0, True, "stopped"),
        (None, True, "stopped"),
    ],
)
def test_a_step_has_a_state(seconds: float | None, is_stopped: bool, expected: str) -> None:
    assert state_of(seconds, is_stopped=is_stopped) == expected


def test_the_worst_step_is_the_state_of_the_pipeline() -> None:
    assert worst(["on_time", "late", "unknown", "catching_up"]) == "late"
    assert worst([]) == "unknown"


async def test_a_stopped_step_needs_somebody_and_is_named() -> None:
    pipeline = Pipeline(
        as_of=NOON,
        services=[ServiceState(name="anomaly", ready=True)],
        steps=[
            PipelineStep(name="detection", seconds_behind=180.0, stopped=False),
            PipelineStep(name="orders", seconds_behind=0.0, stopped=True),
        ],
    )
    health = await load_health(client_with(pipeline))
    assert health.state == "stopped"
    assert health.is_in_trouble
    notices = show("health", health)
    assert "Orders and refunds: stopped, since some events cannot be processed." in notices
    assert "Detection of anomalies: 3 minutes behind." in notices
    sentence = show("pipeline_state", health)
    assert sentence.startswith("Stopped · ")
    # How far it is behind would read as if it went on.
    assert "behind" not in sentence


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(0.44, "0.4 sec"), (12.6, "13 sec"), (180.0, "3 minutes"), (7200.0, "2 hours")],
)
def test_a_duration_is_short(seconds: float, expected: str) -> None:
    assert formatting.duration(seconds) == expected


def test_json_is_indented_and_its_numbers_stay_as_they_came() -> None:
    text = record_text('{"total":1.10,"big":12345678901234567890,"total":2}', "text").text
    assert text == '{\n  "total": 1.10,\n  "big": 12345678901234567890,\n  "total": 2\n}'


@pytest.mark.parametrize(
    ("value", "encoding", "expected"),
    [
        pytest.param("no json {", "text", "no json {", id="text"),
        pytest.param("a\u202eb\x00c", "text", "a\\u202eb\\u0000c", id="hidden characters"),
        pytest.param("/wD+aGk=", "base64", "\\xff\\u0000\\xfehi", id="bytes"),
        pytest.param("[" * 5000, "text", "[" * 5000, id="deep"),
        pytest.param("", "text", "", id="empty"),
    ],
)
def test_a_record_is_shown_as_text(value: str, encoding: str, expected: str) -> None:
    assert record_text(value, encoding).text == expected


def test_a_long_record_is_cut() -> None:
    assert not record_text("x" * MAX_CHARACTERS, "text").is_cut
    long = record_text("x" * (MAX_CHARACTERS + 1), "text")
    assert long.is_cut
    assert len(long.text) == MAX_CHARACTERS


def test_a_bucket_ends_with_the_last_value_up_to_it() -> None:
    parts = buckets(date(2026, 3, 1), date(2026, 3, 5))
    values = {date(2026, 2, 27): 5, date(2026, 3, 2): 70, date(2026, 3, 4): 40}
    assert ends(parts, values, before=1) == [5, 70, 70, 40, 40]
    assert ends(parts, {}, before=1) == [1] * 5
