"""The REST schemas of the pipeline: the state of the services, and how far each step is behind."""

from msgspec import UNSET, UnsetType

from libs.contracts.api import Response
from libs.contracts.groups import Step


class ServiceState(Response, frozen=True, kw_only=True):
    """Whether a service is ready; if not, `reason` says why in a sentence."""

    name: str
    ready: bool
    reason: str | UnsetType = UNSET


class PipelineStep(Response, frozen=True, kw_only=True):
    """`seconds_behind` is the age of the oldest event that waits for the step, 0 if none waits, and null
    if it is not known. `stopped` is true while the step cannot process any event of a part of the
    customers, and tries again and again."""

    name: Step
    seconds_behind: float | None
    stopped: bool


class Pipeline(Response, frozen=True, kw_only=True):
    """The state of the whole system, which all stores share, at `as_of`."""

    as_of: str
    services: list[ServiceState]
    steps: list[PipelineStep]
