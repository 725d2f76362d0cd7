"""The Kafka topics: names, partitions and settings, in one table."""

from typing import Final

from msgspec import Struct, field

ORDER_COMPLETED: Final = "order.completed"
ORDER_REFUNDED: Final = "order.refunded"
ORDER_FULFILLED: Final = "order.fulfilled"
POINTS_EARNED: Final = "points.earned"
POINTS_REDEEMED: Final = "points.redeemed"
POINTS_ADJUSTED: Final = "points.adjusted"
POINTS_TIER_CHANGED: Final = "points.tier_changed"
CATALOG_REWARD: Final = "catalog.reward"
ANOMALY_FLAGGED: Final = "anomaly.flagged"
ANOMALY_RESOLVED: Final = "anomaly.resolved"

DEAD_LETTER_SUFFIX: Final = ".dlq"

# A topic accepts records up to 1 MiB; its dead letters have room for their additional headers.
MAX_RECORD_BYTES: Final = 1_048_576
MAX_DEAD_LETTER_BYTES: Final = MAX_RECORD_BYTES + 65_536


def _up_to(largest: int) -> dict[str, str]:
    """The broker sets the time of each record, since a shop's clock may be wrong: after a restore,
    consumers are set back by time."""
    return {"max.message.bytes": str(largest), "message.timestamp.type": "LogAppendTime"}


class Topic(Struct, frozen=True):
    """A topic to be created; `config` has Kafka's settings of the topic."""

    name: str
    partitions: int = 6
    config: dict[str, str] = field(default_factory=lambda: _up_to(MAX_RECORD_BYTES))

    @property
    def dead_letters(self) -> str:
        """The name of the topic of its dead letters."""
        return dead_letter_topic(self.name)

    @property
    def dead_letter_topic(self) -> "Topic":
        """The topic of its dead letters."""
        return Topic(self.dead_letters, 1, _up_to(MAX_DEAD_LETTER_BYTES))


def dead_letter_topic(topic: str) -> str:
    """The name of the topic for records of `topic` that can never be processed."""
    return topic + DEAD_LETTER_SUFFIX


def record_key(store_id: str, subject_id: str) -> bytes:
    """The record key of a subject, a customer or a reward; events of a subject stay in order."""
    return f"{store_id}:{subject_id}".encode()


# The topics that a service consumes; each has a dead-letter topic.
CONSUMED: Final = (
    Topic(ORDER_COMPLETED),
    Topic(ORDER_REFUNDED),
    Topic(ORDER_FULFILLED),
    Topic(POINTS_EARNED),
    Topic(POINTS_REDEEMED),
    Topic(POINTS_ADJUSTED),
    # The last version of each reward is retained permanently: a catalog can be rebuilt from the topic.
    Topic(CATALOG_REWARD, config=_up_to(MAX_RECORD_BYTES) | {"cleanup.policy": "compact"}),
    Topic(ANOMALY_RESOLVED),
)
PUBLISHED: Final = (Topic(POINTS_TIER_CHANGED), Topic(ANOMALY_FLAGGED))
# Which dead letters were replayed or dropped, by `<topic>:<partition>:<offset>`.
DEAD_LETTERS_HANDLED: Final = "dead-letters.handled"
OPERATED: Final = (Topic(DEAD_LETTERS_HANDLED, 1, {"cleanup.policy": "compact"}),)

TOPICS: Final = CONSUMED + PUBLISHED + OPERATED
