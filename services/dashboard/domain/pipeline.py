"""How far behind the steps of the pipeline are, as a state that a reader can act on."""

from collections.abc import Iterable
from typing import Final, Literal

# From the best to the worst. `unknown`: the service of the step does not report.
State = Literal["on_time", "unknown", "catching_up", "late", "stopped"]

_ORDER: Final[tuple[State, ...]] = ("on_time", "unknown", "catching_up", "late", "stopped")
_ON_TIME_SECONDS: Final = 5.0
_LATE_SECONDS: Final = 60.0


def state_of(seconds_behind: float | None, *, is_stopped: bool) -> State:
    """The state of a step; up to 5 seconds behind is on time, over 60 is late."""
    if is_stopped:
        return "stopped"
    if seconds_behind is None:
        return "unknown"
    if seconds_behind > _LATE_SECONDS:
        return "late"
    return "on_time" if seconds_behind < _ON_TIME_SECONDS else "catching_up"


def worst(states: Iterable[State]) -> State:
    """The state of the whole pipeline."""
    return max(states, key=_ORDER.index, default="unknown")
