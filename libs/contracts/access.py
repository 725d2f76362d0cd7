"""Which principal may do what on which topic, where Kafka knows who calls: one table.

Topics carry decisions: whoever writes `anomaly.resolved` voids points, whoever writes
`catalog.reward` sets prices. So each principal gets what its work takes and nothing else.
"""

from typing import Final

from msgspec import Struct

from libs.contracts import topics

_POINTS: Final = (topics.POINTS_EARNED, topics.POINTS_REDEEMED, topics.POINTS_ADJUSTED)
_CONSUMED: Final = tuple(topic.name for topic in topics.CONSUMED)
_DEAD_LETTERS: Final = tuple(topic.dead_letters for topic in topics.CONSUMED)


class Access(Struct, frozen=True, kw_only=True):
    """What one principal may do. A service's consumer groups begin with its name."""

    principal: str
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    # The names, or beginnings of names, of its consumer groups.
    groups: tuple[str, ...] = ()


def _service(name: str, *, consumes: tuple[str, ...], publishes: tuple[str, ...]) -> Access:
    """What it cannot process goes to the dead letters of the topic it came from."""
    dead_letters = tuple(topics.dead_letter_topic(topic) for topic in consumes)
    return Access(
        principal=name, reads=consumes, writes=(*publishes, *dead_letters), groups=(name,)
    )


ACCESS: Final = (
    _service(
        "earning",
        consumes=(topics.ORDER_COMPLETED, topics.ORDER_REFUNDED, topics.ANOMALY_RESOLVED),
        # The orders' topics for what shops post to /events.
        publishes=(
            *_POINTS,
            topics.POINTS_TIER_CHANGED,
            topics.ORDER_COMPLETED,
            topics.ORDER_REFUNDED,
        ),
    ),
    _service(
        "catalog",
        consumes=(topics.POINTS_REDEEMED, topics.POINTS_ADJUSTED),
        publishes=(topics.CATALOG_REWARD,),
    ),
    _service(
        "redemption",
        consumes=(topics.CATALOG_REWARD, topics.POINTS_REDEEMED, topics.POINTS_ADJUSTED),
        publishes=(),
    ),
    _service(
        "anomaly",
        consumes=_POINTS,
        publishes=(topics.ANOMALY_FLAGGED, topics.ANOMALY_RESOLVED),
    ),
    # A shop's backend.
    Access(principal="shop", writes=(topics.ORDER_COMPLETED, topics.ORDER_REFUNDED)),
    # Whoever follows events of all stores, such as a data warehouse.
    Access(
        principal="reader",
        reads=(
            *_POINTS,
            topics.POINTS_TIER_CHANGED,
            topics.CATALOG_REWARD,
            topics.ANOMALY_FLAGGED,
            topics.ANOMALY_RESOLVED,
        ),
        groups=("reader",),
    ),
    # Who runs `python -m tools dead-letters` and `rebuild`: a replay reads a record whole from its
    # topic and writes it there again.
    Access(
        principal="operator",
        reads=(*_CONSUMED, *_DEAD_LETTERS, topics.DEAD_LETTERS_HANDLED),
        writes=(*_CONSUMED, topics.DEAD_LETTERS_HANDLED),
    ),
)
