"""The Kafka topics: names, partitions and settings, in one table."""

from typing import Final

from msgspec import Struct, field

ORDER_COMPLETED: Final = "order.completed"
ORDER_REFUNDED: Final = "order.refunded"
POINTS_EARNED: Final = "points.earned"
POINTS_REDEEMED: Final = "points.redeemed"
POINTS_ADJUSTED: Final = "points.adjusted"
POINTS_TIER_CHANGED: Final = "points.tier_changed"
CATALOG_REWARD: Final = "catalog.reward"
ANOMALY_FLAGGED: Final = "anomaly.flagged"
ANOMALY_RESOLVED: Final = "anomaly.resolved"

# A topic takes records up to 1 MiB; its dead letters have room for the headers that they add.
MAX_RECORD_BYTES: Final = 1_048_576
MAX_DEAD_LETTER_BYTES: Final = MAX_RECORD_BYTES + 65_536


def _up_to(largest: int) -> dict[str, str]:
    return {"max.message.bytes": str(largest)}


class Topic(Struct, frozen=True):
    """A topic as it is created; `config` holds Kafka's own topic settings."""

    name: str
    partitions: int = 6
    config: dict[str, str] = field(default_factory=lambda: _up_to(MAX_RECORD_BYTES))

    @property
    def dead_letters(self) -> str:
        """Where a record goes that can never be processed."""
        return dead_letter_topic(self.name)

    @property
    def dead_letter_topic(self) -> "Topic":
        """The topic of its dead letters, as it is created."""
        return Topic(self.dead_letters, 1, _up_to(MAX_DEAD_LETTER_BYTES))


def dead_letter_topic(topic: str) -> str:
    """The topic that takes what `topic`'s consumers could not process."""
    return f"{topic}.dlq"


def record_key(store_id: str, subject_id: str) -> bytes:
    """The key that keeps the events of one subject, a customer or a reward, in order."""
    return f"{store_id}:{subject_id}".encode()


# Those that somebody of ours consumes have dead letters.
CONSUMED: Final = (
    Topic(ORDER_COMPLETED),
    Topic(ORDER_REFUNDED),
    Topic(POINTS_EARNED),
    Topic(POINTS_REDEEMED),
    Topic(POINTS_ADJUSTED),
    # The last version of each reward is kept permanently: the topic alone rebuilds a catalog.
    Topic(CATALOG_REWARD, config=_up_to(MAX_RECORD_BYTES) | {"cleanup.policy": "compact"}),
    Topic(ANOMALY_RESOLVED),
)
PUBLISHED: Final = (Topic(POINTS_TIER_CHANGED), Topic(ANOMALY_FLAGGED))
# Which dead letters were replayed or dropped, by `<topic>:<partition>:<offset>`.
DEAD_LETTERS_HANDLED: Final = "dead-letters.handled"
OPERATED: Final = (Topic(DEAD_LETTERS_HANDLED, 1, {"cleanup.policy": "compact"}),)

TOPICS: Final = CONSUMED + PUBLISHED + OPERATED
