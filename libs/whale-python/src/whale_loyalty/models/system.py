"""The client's own key, the store's clock, and the state of the system."""

from datetime import datetime

from whale_loyalty.models.base import Model
from whale_loyalty.values import Step


class CallingKey(Model, frozen=True, kw_only=True):
    """The client's API key: its store, its scopes, and `prefix`, its first characters."""

    store_id: str
    name: str
    prefix: str
    scopes: list[str]
    created_at: datetime


class Clock(Model, frozen=True, kw_only=True):
    """What a store calls now, and by how many seconds its clock was moved forward."""

    now: datetime
    shifted_by_seconds: int


class ServiceState(Model, frozen=True, kw_only=True):
    """Whether a service is ready, and if not, why."""

    name: str
    ready: bool
    reason: str | None = None


class PipelineStep(Model, frozen=True, kw_only=True):
    """`seconds_behind` is the age of the oldest event that waits for the step, None if it is not known;
    `stopped` is true while some events cannot be processed at all."""

    name: Step
    seconds_behind: float | None
    stopped: bool


class Pipeline(Model, frozen=True, kw_only=True):
    """The state of the system, which all stores share."""

    as_of: datetime
    services: list[ServiceState]
    steps: list[PipelineStep]
