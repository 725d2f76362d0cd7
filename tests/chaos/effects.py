"""The consumed topics: a valid event for each, and the query that shows its effect."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from msgspec import Struct

from libs.contracts.groups import GROUPS
from libs.contracts.topics import (
    ANOMALY_RESOLVED,
    CATALOG_REWARD,
    CONSUMED,
    ORDER_COMPLETED,
    ORDER_FULFILLED,
    ORDER_REFUNDED,
    POINTS_ADJUSTED,
    POINTS_EARNED,
    POINTS_REDEEMED,
)
from libs.kernel.clock import format_time
from libs.messaging.offsets import read_committed
from tests.support import Stack

Event = dict[str, Any]

_AT: Final = datetime(2026, 3, 10, 12, tzinfo=UTC)


class ConsumedTopic(Struct, frozen=True, kw_only=True):
    """A topic, `event(store_id, n)`, and the query that counts how many events of a store the service
    `owner` has applied."""

    name: str
    event: Callable[[str, int], Event]
    owner: str
    applied: str

    @property
    def groups(self) -> frozenset[str]:
        """The consumer groups that read the topic."""
        return frozenset(group.name for group in GROUPS if self.name in group.topics)

    @property
    def services(self) -> frozenset[str]:
        """The services of these groups."""
        return frozenset(group.service for group in GROUPS if self.name in group.topics)


def _order(store_id: str, number: int) -> Event:
    return {
        "store_id": store_id,
        "order_id": f"o{number}",
        "customer_id": f"cust_{number}",
        "total": "1.00",
        "currency": "USD",
        "completed_at": "2026-03-10T12:00:00Z",
    }


def _refund(store_id: str, number: int) -> Event:
    return {
        "store_id": store_id,
        "order_id": f"o{number}",
        "customer_id": f"cust_{number}",
        "refund_id": f"r{number}",
        "amount": "0.50",
        "refunded_at": "2026-03-11T12:00:00Z",
    }


def _fulfillment(store_id: str, number: int) -> Event:
    """Of an order that never comes, so that it waits."""
    return {
        "store_id": store_id,
        "order_id": f"f{number}",
        "customer_id": f"cust_{number}",
        "fulfilled_at": "2026-03-12T12:00:00Z",
    }


def _points(store_id: str, number: int, **changes: Any) -> Event:
    # Hours apart, so that no detector flags them.
    at = format_time(_AT + timedelta(hours=number % 1_000))
    return {
        "store_id": store_id,
        "transaction_id": f"txn_{_uuid(number)}",
        "customer_id": f"cust_{number}",
        "sequence": 1,
        "type": "earn",
        "points": 10,
        "balance_after": 10,
        "lifetime_after": 10,
        "reason": f"Order #{number}",
        "occurred_at": at,
        "created_at": at,
        **changes,
    }


def _spent(store_id: str, number: int, kind: str) -> Event:
    return _points(
        store_id,
        number,
        type=kind,
        points=-10 if kind == "redeem" else 10,
        reason="Free Shipping",
        redemption_id=f"rdm_{_uuid(number)}",
        reward={"id": "rwd_002", "name": "Free Shipping"},
    )


def _redeemed(store_id: str, number: int) -> Event:
    return _spent(store_id, number, "redeem")


def _adjusted(store_id: str, number: int) -> Event:
    # A transaction counts once over all topics, so these differ from the redeemed ones.
    return _spent(store_id, number + 10**6, "cancel")


def _reward(store_id: str, number: int) -> Event:
    return {
        "store_id": store_id,
        "id": f"rwd_{number}",
        "version": 1,
        "name": "Free Shipping",
        "points_cost": 500,
        "type": "shipping",
        "is_active": True,
        "created_at": "2026-03-10T12:00:00.000Z",
    }


def _resolved(store_id: str, number: int) -> Event:
    return {
        "store_id": store_id,
        "id": f"anom_{_uuid(number, store_id)}",
        "version": 2,
        "customer_id": f"cust_{number}",
        "type": "rapid_earning",
        "description": "15 point transactions in 2 minutes",
        "points_involved": 150,
        "status": "resolved",
        "flagged_at": "2026-03-10T14:22:00.000Z",
        "transaction_ids": [f"txn_{_uuid(number, store_id)}"],
        "resolution": "suspended",
        "reviewed_by": "backoffice",
        "resolved_at": "2026-03-11T09:00:00.000Z",
    }


def _uuid(number: int, store_id: str = "") -> UUID:
    """A UUIDv7; ids of anomalies are unique over all stores."""
    high = int.from_bytes(store_id.encode()[-6:], "big")
    return UUID(int=(high << 80) | (0x7 << 76) | (0b10 << 62) | number)


# In this order: a resolution needs the customer of an order.
TOPICS: Final = (
    ConsumedTopic(
        name=ORDER_COMPLETED,
        event=_order,
        owner="earning",
        applied="SELECT count(*) FROM orders WHERE store_id = $1 AND state = 'counted'",
    ),
    ConsumedTopic(
        name=ORDER_REFUNDED,
        event=_refund,
        owner="earning",
        applied="SELECT count(*) FROM refunds WHERE store_id = $1 AND state = 'counted'",
    ),
    ConsumedTopic(
        name=ORDER_FULFILLED,
        event=_fulfillment,
        owner="earning",
        applied="SELECT count(*) FROM fulfillments WHERE store_id = $1",
    ),
    ConsumedTopic(
        name=POINTS_EARNED,
        event=_points,
        owner="anomaly",
        applied="SELECT count(*) FROM earnings WHERE store_id = $1",
    ),
    ConsumedTopic(
        name=POINTS_REDEEMED,
        event=_redeemed,
        owner="catalog",
        applied="SELECT count(*) FROM counted_transactions WHERE store_id = $1"
        " AND right(transaction_id, 6) < '0f4240'",
    ),
    ConsumedTopic(
        name=POINTS_ADJUSTED,
        event=_adjusted,
        owner="catalog",
        applied="SELECT count(*) FROM counted_transactions WHERE store_id = $1"
        " AND right(transaction_id, 6) >= '0f4240'",
    ),
    ConsumedTopic(
        name=CATALOG_REWARD,
        event=_reward,
        owner="redemption",
        applied="SELECT count(*) FROM rewards WHERE store_id = $1",
    ),
    ConsumedTopic(
        name=ANOMALY_RESOLVED,
        event=_resolved,
        owner="earning",
        applied="SELECT count(*) FROM resolutions WHERE store_id = $1",
    ),
)
assert {topic.name for topic in TOPICS} == {topic.name for topic in CONSUMED}


async def applied(stack: Stack, topic: ConsumedTopic, store_id: str) -> int:
    """How many of the store's events the topic's owner has applied."""
    connection = await asyncpg.connect(stack.database(topic.owner))
    try:
        return int(await connection.fetchval(topic.applied, store_id))
    finally:
        await connection.close()


async def lag(stack: Stack) -> dict[str, int]:
    """How many offsets each consumer group has not committed yet; groups without lag are left out."""
    admin = AIOKafkaAdminClient(bootstrap_servers=stack.kafka)
    await admin.start()
    try:
        ends = await _ends(stack)
        behind: dict[str, int] = {}
        for group in {group for topic in TOPICS for group in topic.groups}:
            committed = await read_committed(admin, group)
            behind[group] = sum(
                end - max(committed[at].offset, 0) if at in committed else end
                for at, end in ends.items()
                if group in _groups_of(at.topic)
            )
    finally:
        await admin.close()
    return {group: offsets for group, offsets in behind.items() if offsets}


def _groups_of(topic: str) -> frozenset[str]:
    return next(consumed.groups for consumed in TOPICS if consumed.name == topic)


async def _ends(stack: Stack) -> dict[TopicPartition, int]:
    partitions = [
        TopicPartition(topic.name, number)
        for topic in CONSUMED
        for number in range(topic.partitions)
    ]
    async with AIOKafkaConsumer(bootstrap_servers=stack.kafka) as consumer:
        return dict(await consumer.end_offsets(partitions))
