"""The events on Kafka, version 1: fields are only ever added, each with a default.

Unknown fields are ignored, so that an older reader accepts a newer event. For the same reason, the
types of transactions, rewards and anomalies are plain text here; only the code that writes an event
is restricted to the existing types. These structs refuse values of a wrong type. All other bounds
are in libs/contracts/bounds.py for the events of shops, and in libs/contracts/event_bounds.py for
the events of the services.
"""

from datetime import datetime
from typing import Annotated, Literal

from msgspec import Meta, Raw, Struct

from libs.contracts.numbers import Money

# A time with an offset; RFC 3339.
Moment = Annotated[datetime, Meta(tz=True)]

# An id of a shop: many shops number their orders and customers.
ShopId = str | int

TransactionType = Literal["earn", "redeem", "refund", "void", "cancel", "adjust", "expire"]


class Event(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The fields of every event of the services."""

    store_id: str


class ShopEvent(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The fields of every event of a shop. An event without a customer (absent, null, "" or 0) is a
    guest's, and is ignored."""

    store_id: ShopId
    order_id: ShopId
    customer_id: ShopId | None = None


class OrderCompleted(ShopEvent, frozen=True, kw_only=True):
    """A shop's order was completed and may earn points.

    `total` is money in `currency`. `order_number` is the number that people see; the default is the
    order's id. `items` are the order's lines, which are kept if the program has `keep_items`, and else not
    used. An order without a customer (absent, null, "" or 0) is a guest's, and is ignored.
    """

    total: Money
    currency: str
    completed_at: Moment
    order_number: ShopId | None = None
    program_id: ShopId | None = None
    items: Raw = Raw(b"null")


class OrderRefunded(ShopEvent, frozen=True, kw_only=True):
    """A completed order was refunded: by `amount`, money in the order's currency, or without it by
    the entire remaining amount. A guest's refund is ignored, like the order."""

    refund_id: ShopId
    refunded_at: Moment
    amount: Money | None = None


class OrderFulfilled(ShopEvent, frozen=True, kw_only=True):
    """A completed order was delivered: its points may wait for that. Only the first fulfillment of an order
    counts. A guest's is ignored, like the order."""

    fulfilled_at: Moment


class RewardRef(Struct, frozen=True):
    """A reward, with its name at the time of the redemption."""

    id: str
    name: str


class PointsPosted(Event, frozen=True, kw_only=True):
    """A ledger transaction, published on points.earned, points.redeemed or points.adjusted.

    `sequence` numbers the account's transactions from 1 without gaps, across these three topics.
    `points` is signed; `tier` is the customer's tier in the default program afterwards.
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
    """The customer's tier in the default program differs from that after the previous transaction.

    `sequence` is that of the transaction with the new tier; `from` and `to` are tier names.
    """

    program_id: str
    customer_id: str
    sequence: int
    lifetime_points: int
    occurred_at: str
    from_: str | None = None
    to: str | None = None


class RewardChanged(Event, frozen=True, kw_only=True):
    """A complete version of a reward. A later version replaces an earlier one; a version with
    `deleted` is the last. `points_cost` is in points, times are RFC 3339."""

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
    """Either `amount`, money in `currency`, or a discount of `percent`; all are exact, as text."""

    amount: str | None = None
    currency: str | None = None
    percent: str | None = None


class AnomalyChanged(Event, frozen=True, kw_only=True):
    """A version of an anomaly, published on anomaly.flagged until it is resolved, then on
    anomaly.resolved.

    `reviewed_by` is the name of the key of the last review, `reviewer` the person that the caller named.
    An anomaly that is `withdrawn` is no longer shown: it was merged into `merged_into`, or late
    earnings showed that it was normal.
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
    reviewer: str | None = None
