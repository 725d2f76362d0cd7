"""What the API answers, typed. Members that this version does not know are passed over.

Points are integers. Rates, multipliers and money are exact decimals, times are in UTC. What the API
leaves out while it is unset is None.
"""

from datetime import date, datetime
from decimal import Decimal
from typing import Any, Generic, NotRequired, TypedDict, TypeVar

from msgspec import Struct

T = TypeVar("T")


class Model(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What every answer shares."""


class Page(Model, Generic[T], frozen=True, kw_only=True):
    """A part of a list; `total` counts the whole of it, or with `total_more` at least so many."""

    data: list[T]
    total: int
    has_more: bool = False
    total_more: bool = False


class Tier(Model, frozen=True, kw_only=True):
    """A step of a programme; `multiplier` scales awards, `min_points` are lifetime points."""

    name: str
    min_points: int
    multiplier: Decimal
    perks: list[str] | None = None


class Program(Model, frozen=True, kw_only=True):
    """A loyalty programme; `points_per_dollar` is points per unit of `currency`."""

    id: str
    name: str
    points_per_dollar: Decimal
    tiers: list[Tier]
    is_active: bool
    created_at: datetime
    currency: str = "USD"


class RewardRef(Model, frozen=True, kw_only=True):
    """A reward as it was called when it was redeemed."""

    id: str
    name: str


class Transaction(Model, frozen=True, kw_only=True):
    """A ledger entry; `points` is signed, `balance_after` is the balance it left.

    `type` is earn, redeem, refund, void, cancel, adjust or expire.
    """

    id: str
    customer_id: str
    type: str
    points: int
    reason: str
    balance_after: int
    created_at: datetime
    reward: RewardRef | None = None
    order_id: str | None = None
    redemption_id: str | None = None
    occurred_at: datetime | None = None


class Redeemed(Model, frozen=True, kw_only=True):
    """The transaction of a redemption; `code` is what the shop honours, where the reward has one."""

    id: str
    customer_id: str
    type: str
    points: int
    reward: RewardRef
    balance_after: int
    created_at: datetime
    redemption_id: str | None = None
    code: str | None = None


class Verdict(Model, frozen=True, kw_only=True):
    """What became of one award of a batch: the `transaction` of a 201, the `problem` of the rest."""

    status: int
    transaction: Transaction | None = None
    problem: dict[str, Any] | None = None


class BatchAnswer(Model, frozen=True, kw_only=True):
    """A verdict for each award, in order."""

    data: list[Verdict]


class NextTier(Model, frozen=True, kw_only=True):
    """The tier above, and the lifetime points still missing to it."""

    name: str
    points_needed: int


class HeldTier(Model, frozen=True, kw_only=True):
    """The tier a customer holds; `next_tier` is None at the top."""

    name: str
    multiplier: Decimal
    next_tier: NextTier | None = None


class RecentTransaction(Model, frozen=True, kw_only=True):
    """A transaction as a customer's status shows it."""

    id: str
    type: str
    points: int
    reason: str
    created_at: datetime


class CustomerStatus(Model, frozen=True, kw_only=True):
    """A customer's loyalty. `tier` is None while none is held; `transactions` are the ten newest,
    and empty in lists; `status` is active or suspended."""

    customer_id: str
    points_balance: int
    lifetime_points: int
    tier: HeldTier | None
    member_since: datetime
    transactions: list[RecentTransaction] = []
    status: str = "active"


class Day(Model, frozen=True, kw_only=True):
    """A day's points, by the events' own time in UTC; all amounts are positive."""

    date: date
    issued: int
    redeemed: int
    taken_back: int
    expired: int
    active_customers: int


class TierCount(Model, frozen=True, kw_only=True):
    """How many customers hold a tier now."""

    name: str
    customers: int


class Summary(Model, frozen=True, kw_only=True):
    """The programme at a glance, at most five seconds behind; days without postings are left out."""

    days: list[Day]
    points_outstanding: int
    customers: int
    tiers: list[TierCount]


class RewardValue(Model, frozen=True, kw_only=True):
    """What a reward is worth: `amount` of money in `currency`, or `percent` off."""

    amount: Decimal | None = None
    currency: str | None = None
    percent: Decimal | None = None


class Reward(Model, frozen=True, kw_only=True):
    """A reward; `points_cost` is its price in points, `stock_left` what is left of `stock`.

    `type` is discount, shipping, credit or perk. Listed for a customer, `available` says whether they
    can have it now; if not, `reason` says why, and `missing` how many points they lack.
    """

    id: str
    name: str
    points_cost: int
    type: str
    is_active: bool = True
    created_at: datetime | None = None
    description: str | None = None
    value: RewardValue | None = None
    stock: int | None = None
    stock_left: int | None = None
    per_customer_limit: int | None = None
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    min_tier: str | None = None
    image_url: str | None = None
    metadata: dict[str, str] | None = None
    available: bool | None = None
    reason: str | None = None
    missing: int | None = None


class Redemption(Model, frozen=True, kw_only=True):
    """A redemption and where it stands; `points` is what it took, positive.

    `status` is reserved, confirmed, used, cancelling, cancelled or released.
    """

    id: str
    customer_id: str
    reward: RewardRef
    points: int
    status: str
    created_at: datetime
    code: str | None = None
    transaction_id: str | None = None


class Anomaly(Model, frozen=True, kw_only=True):
    """Suspicious earning; `evidence` holds the numbers it was judged by.

    `status` is pending_review, in_review or resolved; `resolution` approved, voided or suspended.
    """

    id: str
    customer_id: str
    type: str
    description: str
    points_involved: int
    status: str
    flagged_at: datetime
    transaction_ids: list[str] = []
    evidence: dict[str, Any] = {}
    resolution: str | None = None
    note: str | None = None
    reviewed_by: str | None = None
    resolved_at: datetime | None = None


class RapidEarning(Model, frozen=True, kw_only=True):
    """Flags `count` or more earnings within `window_seconds`; `mode` is off, shadow or review."""

    mode: str
    count: int
    window_seconds: int


class UnusualAmount(Model, frozen=True, kw_only=True):
    """Flags one earning of `min_points` or more that is `factor` times the median of the earlier
    ones, of which there are `min_history`."""

    mode: str
    factor: Decimal
    min_history: int
    min_points: int


class Deviation(Model, frozen=True, kw_only=True):
    """Flags a day whose robust z is `score` or more, after `min_days` days with earnings."""

    mode: str
    score: Decimal
    min_days: int


class AnomalySettings(Model, frozen=True, kw_only=True):
    """The detectors' modes and parameters."""

    rapid_earning: RapidEarning
    unusual_amount: UnusualAmount
    deviation: Deviation


class Recall(Model, frozen=True, kw_only=True):
    """Of the anomalies that people resolved in one way, how many the tried settings flag too."""

    total: int
    flagged: int


class BacktestDay(Model, frozen=True, kw_only=True):
    """What would have been flagged for a day's earnings."""

    date: date
    flagged: int
    points_involved: int


class BacktestDetector(Model, frozen=True, kw_only=True):
    """One detector on the tried history; days without a flag are left out."""

    type: str
    flagged: int
    customers: int
    points_involved: int
    days: list[BacktestDay]
    voided: Recall
    suspended: Recall
    approved: Recall


class Backtest(Model, frozen=True, kw_only=True, rename={"from_": "from"}):
    """What the tried settings would have flagged; `earnings` is how many were looked at."""

    from_: date
    to: date
    earnings: int
    detectors: list[BacktestDetector]


class EventVerdict(Model, frozen=True, kw_only=True):
    """What became of one event: taken (202), or refused (400) with the `problem`.

    `id` is the event's, or None where it could not be read. A `guest`'s order is taken and earns
    nothing."""

    id: str | None
    status: int
    problem: dict[str, Any] | None = None
    guest: bool = False


class EventsAnswer(Model, frozen=True, kw_only=True):
    """A verdict for each event, in order."""

    data: list[EventVerdict]


class TierInput(TypedDict):
    """A tier as it is sent."""

    name: str
    min_points: int
    multiplier: Decimal | float | str
    perks: NotRequired[list[str]]


class AwardInput(TypedDict):
    """An award of a batch."""

    customer_id: str
    points: int
    reason: str


class EventInput(TypedDict):
    """An event; an `id`, the `source` and the `time` are made where they are left out."""

    type: str
    data: Any
    id: NotRequired[str]
    source: NotRequired[str]
    time: NotRequired[datetime | str]
