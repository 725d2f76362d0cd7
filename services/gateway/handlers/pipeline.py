"""The state of the pipeline, from what every process of the services reports."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final, get_args

import msgspec

from libs.contracts.groups import GROUPS, Step
from libs.contracts.internal import GroupProgress, ServiceProgress
from libs.contracts.pipeline import Pipeline, PipelineStep, ServiceState
from libs.http_client.service_client import ServiceClient
from libs.kernel.clock import format_time, utc_now
from libs.kernel.errors import Unavailable

# A service that does not report within this time is not ready.
_REPORT_SECONDS: Final = 1.0
# All callers share a report for so long: many viewers cost no more than one.
_FRESH_SECONDS: Final = 2.0
_OK: Final = 200
# The services whose outboxes hold events of a step before Kafka has them.
_FED_BY: Final[Mapping[Step, tuple[str, ...]]] = {
    "orders": (),
    "detection": ("earning",),
    "resolutions": ("anomaly",),
    "redemption": ("earning", "catalog"),
    "catalog": ("earning",),
}
_SILENT: Final = "It did not respond within a second."
# By the name of the check; the errors themselves name internals.
_REASONS: Final = {
    "database": "It cannot reach its database.",
    "messaging": "It does not process or publish all events at the moment.",
}

# By service, the report of each of its processes, None for one that did not respond.
Reports = Mapping[str, Sequence[ServiceProgress | None]]


class PipelineReader:
    """Asks every process of `services`, by the addresses of each service; used between `start` and
    `stop`."""

    def __init__(self, services: Mapping[str, Sequence[str]], *, internal_token: str) -> None:
        self._processes = {
            name: [
                ServiceClient(
                    name, [url], internal_token=internal_token, timeout_seconds=_REPORT_SECONDS
                )
                for url in urls
            ]
            for name, urls in services.items()
        }
        self._lock = asyncio.Lock()
        self._fresh_until = 0.0
        self._pipeline: Pipeline | None = None

    async def start(self) -> None:
        for client in self._clients:
            await client.start()

    async def stop(self) -> None:
        for client in self._clients:
            await client.stop()

    @property
    def _clients(self) -> list[ServiceClient]:
        return [client for clients in self._processes.values() for client in clients]

    async def read(self) -> Pipeline:
        """The state, at most two seconds old. Concurrent callers share it."""
        async with self._lock:
            if self._pipeline is None or time.monotonic() >= self._fresh_until:
                reports = await asyncio.gather(*map(_ask, self._clients))
                self._pipeline = summarize(self._by_service(reports), utc_now())
                self._fresh_until = time.monotonic() + _FRESH_SECONDS
            return self._pipeline

    def _by_service(self, reports: Sequence[ServiceProgress | None]) -> Reports:
        remaining = iter(reports)
        return {
            name: [next(remaining) for _ in clients] for name, clients in self._processes.items()
        }


async def _ask(process: ServiceClient) -> ServiceProgress | None:
    try:
        async with asyncio.timeout(_REPORT_SECONDS):
            response = await process.send("GET", "/internal/progress", {})
    except (Unavailable, TimeoutError):
        return None
    if response.status != _OK:
        return None
    return msgspec.json.decode(response.body, type=ServiceProgress)


def summarize(reports: Reports, now: datetime) -> Pipeline:
    """The state of the pipeline, as of `now`. The longest time that a process reports counts."""
    return Pipeline(
        as_of=format_time(now),
        services=[_state(name, processes) for name, processes in reports.items()],
        steps=[_step(step, reports) for step in get_args(Step)],
    )


def _state(name: str, processes: Sequence[ServiceProgress | None]) -> ServiceState:
    """A service is ready if all of its processes are."""
    for process in processes:
        if process is None:
            return ServiceState(name=name, ready=False, reason=_SILENT)
        if process.failing:
            check = process.failing[0]
            reason = _REASONS.get(check, f"Its check {check} fails.")
            return ServiceState(name=name, ready=False, reason=reason)
    return ServiceState(name=name, ready=True)


def _step(step: Step, reports: Reports) -> PipelineStep:
    groups = [_group(group.name, reports[group.service]) for group in GROUPS if group.step == step]
    waits = [
        *(seconds for seconds, _ in groups),
        *(_unpublished(reports[service]) for service in _FED_BY[step]),
    ]
    known = [seconds for seconds in waits if seconds is not None]
    return PipelineStep(
        name=step,
        seconds_behind=round(max(known), 3) if len(known) == len(waits) else None,
        stopped=any(stopped for _, stopped in groups),
    )


def _group(name: str, processes: Sequence[ServiceProgress | None]) -> tuple[float | None, bool]:
    """How far the group is behind, None if no process knows, and whether a process has stopped it."""
    progress: list[GroupProgress] = [
        group
        for process in processes
        if process is not None
        for group in process.messaging.groups or ()
        if group.name == name
    ]
    seconds = max((group.seconds_behind for group in progress), default=None)
    return seconds, any(group.stopped for group in progress)


def _unpublished(processes: Sequence[ServiceProgress | None]) -> float | None:
    """The age of the oldest event in the outbox of a service, None if no process knows it."""
    return max(
        (
            process.messaging.unpublished_seconds
            for process in processes
            if process is not None and process.messaging.unpublished_seconds is not None
        ),
        default=None,
    )
