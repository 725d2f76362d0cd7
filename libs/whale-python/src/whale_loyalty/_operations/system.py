"""The client's own key, and the state of the system."""

from whale_loyalty._operation import Operation, read
from whale_loyalty.models import CallingKey, Pipeline


def get_key() -> Operation[CallingKey]:
    """The client's API key: its store, name and scopes."""
    return read("key", CallingKey)


def get_pipeline() -> Operation[Pipeline]:
    """Whether all services are ready, and how far each step is behind."""
    return read("loyalty/pipeline", Pipeline)
