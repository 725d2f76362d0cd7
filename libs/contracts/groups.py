"""The consumer groups and their topics, in one table, from which `make status` and the state of the
pipeline report."""

from typing import Final, Literal

from msgspec import Struct

from libs.contracts.topics import (
    ANOMALY_RESOLVED,
    CATALOG_REWARD,
    DEAD_LETTERS_HANDLED,
    ORDER_COMPLETED,
    ORDER_FULFILLED,
    ORDER_REFUNDED,
    POINTS_ADJUSTED,
    POINTS_EARNED,
    POINTS_REDEEMED,
    dead_letter_topic,
)

# What the consumer groups do for a store, in the order in which an order passes through it.
Step = Literal["orders", "detection", "resolutions", "redemption", "catalog"]


class Group(Struct, frozen=True, kw_only=True):
    """A consumer group: its name in Kafka, the service whose processes are its members, its topics, and
    the step of the pipeline that it works for, if it belongs to one."""

    name: str
    service: str
    topics: tuple[str, ...]
    step: Step | None = None


# One group per subscription: members of a group that subscribe to different topics would cause
# rebalances of one another's partitions.
EARNING_ORDERS: Final = Group(
    name="earning", service="earning", topics=(ORDER_COMPLETED,), step="orders"
)
EARNING_REFUNDS: Final = Group(
    name="earning.refunds", service="earning", topics=(ORDER_REFUNDED,), step="orders"
)
EARNING_FULFILLMENTS: Final = Group(
    name="earning.fulfillments", service="earning", topics=(ORDER_FULFILLED,), step="orders"
)
EARNING_RESOLUTIONS: Final = Group(
    name="earning.resolutions", service="earning", topics=(ANOMALY_RESOLVED,), step="resolutions"
)
# Dead letters of shop events, shown to their stores.
EARNING_DEAD_LETTERS: Final = Group(
    name="earning.dead-letters",
    service="earning",
    topics=(
        dead_letter_topic(ORDER_COMPLETED),
        dead_letter_topic(ORDER_REFUNDED),
        dead_letter_topic(ORDER_FULFILLED),
        DEAD_LETTERS_HANDLED,
    ),
)
CATALOG_POINTS: Final = Group(
    name="catalog.points",
    service="catalog",
    topics=(POINTS_REDEEMED, POINTS_ADJUSTED),
    step="catalog",
)
REDEMPTION_REWARDS: Final = Group(
    name="redemption.rewards", service="redemption", topics=(CATALOG_REWARD,), step="redemption"
)
REDEMPTION_POINTS: Final = Group(
    name="redemption.points",
    service="redemption",
    topics=(POINTS_REDEEMED, POINTS_ADJUSTED),
    step="redemption",
)
ANOMALY_POINTS: Final = Group(
    name="anomaly",
    service="anomaly",
    topics=(POINTS_EARNED, POINTS_ADJUSTED, POINTS_REDEEMED),
    step="detection",
)

GROUPS: Final = (
    EARNING_ORDERS,
    EARNING_REFUNDS,
    EARNING_FULFILLMENTS,
    EARNING_RESOLUTIONS,
    EARNING_DEAD_LETTERS,
    CATALOG_POINTS,
    REDEMPTION_REWARDS,
    REDEMPTION_POINTS,
    ANOMALY_POINTS,
)
