"""What becomes of a record, by the result of its posting."""

from libs.kernel.errors import WhaleError
from libs.messaging.cloudevents import Poison
from libs.messaging.consumer import RecordOutcome
from services.earning.handlers.posting import Result


def record_outcome(result: Result) -> RecordOutcome:
    """A refusal makes the record a dead letter; any other result means that it is applied."""
    if not isinstance(result, WhaleError):
        return None
    return Poison("conflict" if result.code == "conflict" else "invalid", result.detail)
