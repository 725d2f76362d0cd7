"""Records that could not be processed, and their replays."""

from datetime import datetime
from typing import Any

from whale_loyalty.models.base import Model
from whale_loyalty.values import LetterCode, LetterTopic


class DeadLetter(Model, frozen=True, kw_only=True):
    """A record of `topic` that could not be processed; `code` and `detail` say why.

    `headers` and `value` are those of the record, for keys with the scope manage; a value whose
    `value_encoding` is base64 is not text.
    """

    id: str
    topic: LetterTopic
    code: LetterCode
    detail: str
    service: str
    truncated: bool
    dead_at: datetime
    customer_id: str | None = None
    order_id: str | None = None
    headers: dict[str, str] | None = None
    value: str | None = None
    value_encoding: str | None = None
    replayed_at: datetime | None = None


class DeadLetterVerdict(Model, frozen=True, kw_only=True):
    """The result of one replay: `dead_letter` with status 200, else `problem`."""

    id: str
    status: int
    dead_letter: DeadLetter | None = None
    problem: dict[str, Any] | None = None


class DeadLetterVerdicts(Model, frozen=True, kw_only=True):
    """The result of each replay, in the order of the request."""

    data: list[DeadLetterVerdict]
