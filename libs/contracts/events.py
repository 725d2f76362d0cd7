"""The events on Kafka, version 1: fields are only ever added, each with a default.

Unknown fields are ignored, so that an older reader takes a newer event; for the same reason the
kinds of transactions, rewards and anomalies are plain text here, and only what writes an event is
held to those that exist now. These structs refuse wrong types. What else a value must be stands in
libs/contracts/bounds.py for shops' events, and in libs/contracts/event_bounds.py for our own.
"""

from datetime import datetime
from typing import Annotated, Literal

from msgspec import Meta, Raw, Struct

from libs.contracts.numbers import Money

# A moment whose offset is stated; RFC 3339.
Moment = Annotated[datetime, Meta(tz=True)]

# An id as shops have it: many of them number their orders and customers.
ShopId = str | int

TransactionType = Literal["earn", "redeem", "refund", "void", "cancel", "adjust", "expire"]


class Event(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What every event of ours shares: the store it belongs to."""

    store_id: str


class ShopEvent(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What every event of a shop shares. Without a customer (none, null, "" or 0) it is a guest's,
    and passed over."""

    store_id: ShopId
    order_id: ShopId
    customer_id: ShopId | None = None


class OrderCompleted(ShopEvent, frozen=True, kw_only=True):
    """A shop's order was completed and may earn points.

    `total` is money in `currency`. `order_number` is what people call the order; without it the
    order's id is used. `items` are carried along unread. Without a customer (none, null, "" or 0)
    it is a guest's order, and passed over.
    """

    total: Money
    currency: str
    completed_at: Moment
    order_number: ShopId | None = None
    program_id: ShopId | None = None
    items: Raw = Raw(b"null")


class OrderRefunded(ShopEvent, frozen=True, kw_only=True):
    """A completed order was refunded, in part (`amount`, money in the order's currency) or by all
    that is left of it (no `amount`). A guest's refund is passed over, like the order."""

    refund_id: ShopId
    refunded_at: Moment
    amount: Money | None = None


class RewardRef(Struct, frozen=True):
    """A reward as it was called when it was redeemed."""

    id: str
    name: str


class PointsPosted(Event, frozen=True, kw_only=True):
    """One ledger transaction; points.earned, points.redeemed and points.adjusted carry it.

    `sequence` counts the account's transactions from 1 without a gap over these three topics
    together. `points` is signed; `tier` is the default programme's tier held afterwards.
    """

    transaction_id: str
    customer_id: str
    sequence: int
    type: str
    points: int
    balance_after: int
    lifetime_after: int
    reason: str
    occurred_at: str
    created_at: str
    program_id: str | None = None
    tier: str | None = None
    order_id: str | None = None
    redemption_id: str | None = None
    reward: RewardRef | None = None


class TierChanged(Event, frozen=True, kw_only=True, rename={"from_": "from"}):
    """The customer's tier in the default programme is another than the last posting showed.

    `sequence` is that of the posting that shows it; `from_` and `to` are tier names.
    """

    program_id: str
    customer_id: str
    sequence: int
    lifetime_points: int
    occurred_at: str
    from_: str | None = None
    to: str | None = None


class RewardChanged(Event, frozen=True, kw_only=True):
    """A version of a reward, whole: later versions replace earlier ones, and one that is `deleted`
    is the last. `points_cost` is in points, `amount` is money in `currency`, times are RFC 3339."""

    id: str
    version: int
    name: str
    points_cost: int
    type: str
    is_active: bool
    created_at: str
    description: str | None = None
    value: "RewardWorth | None" = None
    stock: int | None = None
    per_customer_limit: int | None = None
    starts_at: str | None = None
    ends_at: str | None = None
    min_tier: str | None = None
    image_url: str | None = None
    metadata: dict[str, str] | None = None
    deleted: bool = False


class RewardWorth(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`amount` of money in `currency`, or `percent` off; all as text, exactly."""

    amount: str | None = None
    currency: str | None = None
    percent: str | None = None


class AnomalyChanged(Event, frozen=True, kw_only=True):
    """A version of an anomaly: anomaly.flagged while it grows, anomaly.resolved once it is final.

    One that is `withdrawn` is shown no more: it is part of the anomaly `merged_into`, or late
    earnings made it normal.
    """

    id: str
    version: int
    customer_id: str
    type: str
    description: str
    points_involved: int
    status: str
    flagged_at: str
    transaction_ids: list[str]
    evidence: Raw = Raw(b"{}")
    resolution: str | None = None
    note: str | None = None
    reviewed_by: str | None = None
    resolved_at: str | None = None
    withdrawn: bool = False
    merged_into: str | None = None
