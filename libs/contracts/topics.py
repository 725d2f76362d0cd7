"""The Kafka topics: names, partitions and settings, in one table."""

from typing import Final

from msgspec import Struct, field

ORDER_COMPLETED: Final = "order.completed"
ORDER_REFUNDED: Final = "order.refunded"
POINTS_EARNED: Final = "points.earned"
POINTS_REDEEMED: Final = "points.redeemed"
POINTS_ADJUSTED: Final = "points.adjusted"
POINTS_TIER_CHANGED: Final = "points.tier_changed"

# A record up to 1 MiB, with room for the headers that a dead letter adds.
MAX_RECORD_BYTES: Final = 1_048_576
MAX_MESSAGE_BYTES: Final = MAX_RECORD_BYTES + 65_536


def _large_records() -> dict[str, str]:
    return {"max.message.bytes": str(MAX_MESSAGE_BYTES)}


class Topic(Struct, frozen=True):
    """A topic as it is created; `config` holds Kafka's own topic settings."""

    name: str
    partitions: int = 6
    config: dict[str, str] = field(default_factory=_large_records)

    @property
    def dead_letters(self) -> str:
        """Where a record goes that can never be processed."""
        return dead_letter_topic(self.name)


def dead_letter_topic(topic: str) -> str:
    """The topic that takes what `topic`'s consumers could not process."""
    return f"{topic}.dlq"


def record_key(store_id: str, customer_id: str) -> bytes:
    """The key that keeps one customer's events in order within a topic."""
    return f"{store_id}:{customer_id}".encode()


CONSUMED: Final = (Topic(ORDER_COMPLETED), Topic(ORDER_REFUNDED))
PUBLISHED: Final = (
    Topic(POINTS_EARNED),
    Topic(POINTS_REDEEMED),
    Topic(POINTS_ADJUSTED),
    Topic(POINTS_TIER_CHANGED),
)
# Which dead letters were replayed or dropped, by `<topic>:<partition>:<offset>`.
DEAD_LETTERS_HANDLED: Final = "dead-letters.handled"
OPERATED: Final = (Topic(DEAD_LETTERS_HANDLED, 1, {"cleanup.policy": "compact"}),)

TOPICS: Final = CONSUMED + PUBLISHED + OPERATED
