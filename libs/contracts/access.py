"""Which principal may read and write which topics, if Kafka authenticates its clients: one table.

Topics carry decisions: a client that writes `anomaly.resolved` voids points, a client that writes
`catalog.reward` sets prices. So each principal has the rights that its work requires, and no others.
"""

from typing import Final

from msgspec import Struct

from libs.contracts import topics
from libs.contracts.groups import GROUPS

# Runs `python -m tools status`, `order`, `dead-letters`, `rebuild` and `rewind`.
OPERATOR: Final = "operator"

_POINTS: Final = (topics.POINTS_EARNED, topics.POINTS_REDEEMED, topics.POINTS_ADJUSTED)
_CONSUMED: Final = tuple(topic.name for topic in topics.CONSUMED)
_DEAD_LETTERS: Final = tuple(topic.dead_letters for topic in topics.CONSUMED)


class Access(Struct, frozen=True, kw_only=True):
    """The rights of one principal. The names of a service's consumer groups begin with its own."""

    principal: str
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    # The names of its consumer groups, or prefixes of these names.
    groups: tuple[str, ...] = ()


def _service(
    name: str,
    *,
    consumes: tuple[str, ...],
    publishes: tuple[str, ...],
    reads: tuple[str, ...] = (),
) -> Access:
    """The rights of a service. It also publishes dead letters of the topics that it consumes; topics
    that it only `reads` have none."""
    dead_letters = tuple(topics.dead_letter_topic(topic) for topic in consumes)
    return Access(
        principal=name,
        reads=(*consumes, *reads),
        writes=(*publishes, *dead_letters),
        groups=(name,),
    )


ACCESS: Final = (
    _service(
        "earning",
        consumes=(
            topics.ORDER_COMPLETED,
            topics.ORDER_REFUNDED,
            topics.ORDER_FULFILLED,
            topics.ANOMALY_RESOLVED,
        ),
        # The topics of shops, for events that shops post to /events, and for dead letters
        # that stores replay.
        publishes=(
            *_POINTS,
            topics.POINTS_TIER_CHANGED,
            topics.ORDER_COMPLETED,
            topics.ORDER_REFUNDED,
            topics.ORDER_FULFILLED,
            topics.DEAD_LETTERS_HANDLED,
        ),
        # To show each store its dead letters that were not handled.
        reads=(
            topics.dead_letter_topic(topics.ORDER_COMPLETED),
            topics.dead_letter_topic(topics.ORDER_REFUNDED),
            topics.dead_letter_topic(topics.ORDER_FULFILLED),
            topics.DEAD_LETTERS_HANDLED,
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
    # The backend of a shop.
    Access(
        principal="shop",
        writes=(topics.ORDER_COMPLETED, topics.ORDER_REFUNDED, topics.ORDER_FULFILLED),
    ),
    # A system that consumes the events of all stores, such as a data warehouse.
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
    # `status` sees every topic; a replay of a dead letter reads the complete record from its topic, and
    # writes it there again; `rewind` commits the offsets of every group.
    Access(
        principal=OPERATOR,
        reads=(*(topic.name for topic in topics.TOPICS), *_DEAD_LETTERS),
        writes=(*_CONSUMED, topics.DEAD_LETTERS_HANDLED),
        groups=tuple(dict.fromkeys(group.service for group in GROUPS)),
    ),
)
