"""The state of the pipeline, from the reports of the services' processes."""

from datetime import UTC, datetime

from libs.contracts.groups import GROUPS
from libs.contracts.internal import GroupProgress, MessagingProgress, ServiceProgress
from libs.contracts.operations import OWNERS
from libs.contracts.pipeline import PipelineStep, ServiceState
from services.gateway.handlers.pipeline import summarize

NOW = datetime(2026, 3, 10, tzinfo=UTC)


def report(
    service: str,
    *,
    behind: dict[str, float] | None = None,
    stopped: str | None = None,
    unpublished: float | None = 0.0,
    failing: tuple[str, ...] = (),
) -> ServiceProgress:
    """A report of a process; `behind` gives the seconds of some groups."""
    groups = [
        GroupProgress(
            name=group.name,
            seconds_behind=(behind or {}).get(group.name, 0.0),
            stopped=group.name == stopped,
        )
        for group in GROUPS
        if group.service == service
    ]
    messaging = MessagingProgress(groups=groups, unpublished_seconds=unpublished)
    return ServiceProgress(failing=list(failing), messaging=messaging)


def read(
    **changes: list[ServiceProgress | None],
) -> tuple[dict[str, ServiceState], dict[str, PipelineStep]]:
    """The states by service and the steps by name; `changes` replaces the reports of some services."""
    reports: dict[str, list[ServiceProgress | None]] = {name: [report(name)] for name in OWNERS}
    pipeline = summarize(reports | changes, NOW)
    return (
        {service.name: service for service in pipeline.services},
        {step.name: step for step in pipeline.steps},
    )


def test_a_step_is_as_far_behind_as_the_group_that_is_furthest() -> None:
    _, steps = read(earning=[report("earning", behind={"earning": 1.25, "earning.refunds": 40.0})])
    assert steps["orders"].seconds_behind == 40.0
    assert steps["resolutions"].seconds_behind == 0.0


def test_an_event_that_is_not_published_counts_for_the_steps_that_wait_for_it() -> None:
    _, steps = read(earning=[report("earning", unpublished=12.0)])
    behind = {name: step.seconds_behind for name, step in steps.items()}
    assert behind == {
        "orders": 0.0,
        "detection": 12.0,
        "resolutions": 0.0,
        "redemption": 12.0,
        "catalog": 12.0,
    }


def test_what_no_process_knows_is_unknown_and_never_zero() -> None:
    states, steps = read(anomaly=[None])
    assert (states["anomaly"].ready, states["catalog"].ready) == (False, True)
    assert steps["detection"].seconds_behind is None
    assert steps["orders"].seconds_behind == 0.0
    blind = ServiceProgress(
        failing=["messaging"],
        messaging=MessagingProgress(groups=None, unpublished_seconds=None),
    )
    states, steps = read(earning=[blind])
    assert states["earning"].reason == "It does not process or publish all events at the moment."
    assert [name for name, step in steps.items() if step.seconds_behind is None] == [
        "orders",
        "detection",
        "resolutions",
        "redemption",
        "catalog",
    ]


def test_a_service_is_ready_if_all_its_processes_are_and_any_of_them_reports_a_stop() -> None:
    processes = [report("earning"), report("earning", stopped="earning.refunds"), None]
    states, steps = read(earning=processes)
    assert not states["earning"].ready
    assert steps["orders"].stopped
    assert steps["orders"].seconds_behind == 0.0
    assert not steps["resolutions"].stopped
