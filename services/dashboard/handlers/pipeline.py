"""Whether the services are ready, and how far each step is behind."""

from collections.abc import Sequence

from msgspec import Struct

from services.dashboard.domain import formatting, pipeline
from services.dashboard.domain.pipeline import State
from whale_loyalty import AsyncWhaleClient
from whale_loyalty.models import PipelineStep, ServiceState


class StepHealth(Struct, frozen=True):
    """A step; `behind` is a duration in words, None if it is not behind or not known."""

    name: str
    state: State
    behind: str | None


class Health(Struct, frozen=True, kw_only=True):
    """The pipeline: `state` and `behind` are those of the step that is worst."""

    state: State
    behind: str | None
    services: Sequence[ServiceState]
    steps: Sequence[StepHealth]

    @property
    def not_ready(self) -> Sequence[ServiceState]:
        return [service for service in self.services if not service.ready]

    @property
    def is_in_trouble(self) -> bool:
        """Whether somebody has to act: a service is not ready, a step has stopped or is late."""
        return bool(self.not_ready) or self.state in {"stopped", "late"}


async def load_health(client: AsyncWhaleClient) -> Health:
    """The state of the pipeline. Raises WhaleError."""
    response = await client.loyalty.pipeline()
    steps = [_health_of(step) for step in response.steps]
    known = [step.seconds_behind for step in response.steps if step.seconds_behind is not None]
    return Health(
        state=pipeline.worst(step.state for step in steps),
        behind=_behind(max(known, default=None)),
        services=response.services,
        steps=steps,
    )


def _health_of(step: PipelineStep) -> StepHealth:
    state = pipeline.state_of(step.seconds_behind, is_stopped=step.stopped)
    return StepHealth(step.name, state, _behind(step.seconds_behind))


def _behind(seconds: float | None) -> str | None:
    return formatting.duration(seconds) if seconds is not None and seconds >= 0.05 else None
