"""The API's response models. Members that this version does not know are ignored.

Points are integers. Rates, multipliers and money are exact decimals. Times are in UTC. A member that the
response omits is None.
"""

from datetime import date, datetime
from decimal import Decimal
from typing import Any, Generic, NotRequired, TypedDict, TypeVar

from msgspec import Struct

from whale_loyalty.values import (
    AccountStatus,
    AnomalyStatus,
    AnomalyType,
    ExistingDates,
    ExpiryKind,
    LetterCode,
    LetterTopic,
    Mode,
    OrderState,
    PendingFrom,
    RedemptionStatus,
    RefundState,
    Resolution,
    RewardType,
    Round,
    SkipReason,
    Step,
    TransactionType,
    UnavailableReason,
    ZeroReason,
)

T = TypeVar("T")


class Model(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The base of all response models."""


class Page(Model, Generic[T], frozen=True, kw_only=True):
    """One page of a list. `total` counts the whole list; with `total_more` it is a lower bound.
    `without_date` has a customer's points that never expire, in the list of those that do."""

    data: list[T]
    total: int
    has_more: bool = False
    total_more: bool = False
    without_date: int | None = None


class Tier(Model, frozen=True, kw_only=True):
    """A tier of a program: `min_points` is the lifetime threshold, `multiplier` scales order awards."""

    name: str
    min_points: int
    multiplier: Decimal
    perks: list[str] | None = None


class SettingWarning(Model, frozen=True, kw_only=True):
    """What was probably not meant, at a place in the body of the request; it was carried out."""

    pointer: str
    detail: str


class Expiry(Model, frozen=True, kw_only=True):
    """When points expire: `after` so many months or days, `yearly` on fixed dates (`12-31`), or together after
    `inactivity`."""

    kind: ExpiryKind
    months: int | None = None
    days: int | None = None
    round: Round | None = None
    dates: list[str] | None = None
    at_least_days: int | None = None
    returned_days: int | None = None


class Pending(Model, frozen=True, kw_only=True, rename={"from_": "from"}):
    """How long the points of an order wait: `days` local days after the order, or after its fulfillment."""

    days: int
    from_: PendingFrom | None = None
    give_up_days: int | None = None


class Program(Model, frozen=True, kw_only=True):
    """A loyalty program; `points_per_dollar` is points per unit of `currency`.

    The default program prices orders that name no program, and gives the tiers. `warnings` come with the
    response to a change. Every change increases `version`. With `keep_items`, the lines of its orders are kept.
    """

    id: str
    name: str
    points_per_dollar: Decimal
    tiers: list[Tier]
    is_active: bool
    created_at: datetime
    currency: str = "USD"
    is_default: bool | None = None
    warnings: list[SettingWarning] = []
    version: int | None = None
    keep_items: bool = False
    time_zone: str | None = None
    expiry: Expiry | None = None
    remind_days: list[int] | None = None
    pending: Pending | None = None


class ProgramVersion(Model, frozen=True, kw_only=True):
    """A program as it was from `changed_at` until its next version; `changed_by` is the name of the key."""

    id: str
    name: str
    points_per_dollar: Decimal
    tiers: list[Tier]
    is_active: bool
    created_at: datetime
    currency: str
    version: int
    changed_at: datetime
    changed_by: str | None = None
    keep_items: bool = False
    time_zone: str | None = None
    expiry: Expiry | None = None
    remind_days: list[int] | None = None
    pending: Pending | None = None


class NoTierPreview(Model, frozen=True, kw_only=True):
    """Customers without a tier, and the points that an order of `order_total` earns them."""

    customers_before: int
    customers_after: int
    points_before: int | None = None
    points_after: int | None = None


class TierPreview(NoTierPreview, frozen=True, kw_only=True):
    """The same for a tier; points are None where the program does not have the tier or is not active."""

    name: str


class ExpirationPreview(Model, frozen=True, kw_only=True):
    """The last day of points that become available on a day; customers are reminded when the days of
    `reminders_on` begin."""

    available_on: date
    expires_on: date
    reminders_on: list[date]


class OrderPreview(Model, frozen=True, kw_only=True):
    """An order of today whose points wait. With `waits_for`, it is fulfilled today too, and one that is not
    fulfilled by the end of `gives_up_on` gives no points."""

    completed_on: date
    available_on: date
    waits_for: PendingFrom | None = None
    gives_up_on: date | None = None
    expires_on: date | None = None


class DatesPreview(Model, frozen=True, kw_only=True):
    """Examples of what would expire when, today's first; an order of today, if points wait; and what becomes
    of the dates of existing points, if the change concerns them."""

    expirations: list[ExpirationPreview]
    time_zone: str | None = None
    order: OrderPreview | None = None
    existing: ExistingDates | None = None


class ProgramPreview(Model, frozen=True, kw_only=True):
    """What a change of a program would mean, and how many customers would get a higher or lower tier. `dates`
    is None where nothing expires or waits."""

    order_total: Decimal
    tiers: list[TierPreview]
    moves_up: int
    moves_down: int
    without_tier: NoTierPreview
    dates: DatesPreview | None = None


class RewardRef(Model, frozen=True, kw_only=True):
    """A reward's id, and its name at the time of the redemption."""

    id: str
    name: str


class LotRef(Model, frozen=True, kw_only=True):
    """Points with one last day; None if they never expire."""

    points: int
    expires_on: date | None


class Transaction(Model, frozen=True, kw_only=True):
    """A ledger entry; `points` is signed, `balance_after` the resulting balance.

    `clawed_back` is how many points of an earning refunds and voids took so far, `anomaly_id` the anomaly
    that a void resolved, `posted_by` the name of the key of a manual award or adjustment.

    Where points expire or wait: `lots` are what a credit became, what a debit was drawn from, or what expired;
    `covered` are the points of a clawback that had expired and cost nothing; `pending` is the signed change of
    the pending points, and `available_at` when they become or became available.
    """

    id: str
    customer_id: str
    type: TransactionType
    points: int
    reason: str
    balance_after: int
    created_at: datetime
    reward: RewardRef | None = None
    order_id: str | None = None
    redemption_id: str | None = None
    occurred_at: datetime | None = None
    clawed_back: int | None = None
    anomaly_id: str | None = None
    posted_by: str | None = None
    lots: list[LotRef] | None = None
    pending: int | None = None
    covered: int | None = None
    available_at: datetime | None = None


class Redeemed(Model, frozen=True, kw_only=True):
    """The transaction of a redemption; `code` is for the checkout, if the reward has one."""

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
    """The result of one award of a batch: `transaction` with status 201, else `problem`."""

    status: int
    transaction: Transaction | None = None
    problem: dict[str, Any] | None = None


class BatchAnswer(Model, frozen=True, kw_only=True):
    """The result of each award of a batch, in the order of the request."""

    data: list[Verdict]


class OrderLetter(Model, frozen=True, kw_only=True):
    """A dead letter of an order: `code` and `detail` say why a record could not be processed."""

    id: str
    code: LetterCode
    detail: str
    dead_at: datetime


class Order(Model, frozen=True, kw_only=True):
    """An order, and what became of it.

    `state` is counted, held, skipped or refused (known only by its dead letters). `award` is the whole
    award, `pending` the points of it that wait before they can be spent, `given_up` those that were never
    available, since the fulfillment did not arrive in time, `clawed_back` the points that refunds and voids
    took, `refunded` money. If there are no points, `skip_reason` (skipped) or `zero_reason` (counted) says
    why; a held order waits for its customer's account.
    """

    order_id: str
    state: OrderState
    award: int
    clawed_back: int
    refunded: Decimal
    recorded_at: datetime
    order_number: str | None = None
    customer_id: str | None = None
    skip_reason: SkipReason | None = None
    skip_detail: str | None = None
    zero_reason: ZeroReason | None = None
    dead_letters: list[OrderLetter] = []
    total: Decimal | None = None
    currency: str | None = None
    program_id: str | None = None
    tier: str | None = None
    multiplier: Decimal | None = None
    transaction_id: str | None = None
    completed_at: datetime | None = None
    pending: int = 0
    given_up: int = 0
    available_at: datetime | None = None
    expires_on: date | None = None


class DeadLetter(Model, frozen=True, kw_only=True):
    """A record of `topic` that could not be processed; `code` and `detail` say why.

    `headers` and `value` are those of the record, for keys with the scope manage; a value whose
    `value_encoding` is base64 is not text.
    """

    id: str
    topic: LetterTopic
    code: LetterCode
    detail: str
    service: str
    truncated: bool
    dead_at: datetime
    customer_id: str | None = None
    order_id: str | None = None
    headers: dict[str, str] | None = None
    value: str | None = None
    value_encoding: str | None = None
    replayed_at: datetime | None = None


class DeadLetterVerdict(Model, frozen=True, kw_only=True):
    """The result of one replay: `dead_letter` with status 200, else `problem`."""

    id: str
    status: int
    dead_letter: DeadLetter | None = None
    problem: dict[str, Any] | None = None


class DeadLetterVerdicts(Model, frozen=True, kw_only=True):
    """The result of each replay, in the order of the request."""

    data: list[DeadLetterVerdict]


class OrderVerdict(Model, frozen=True, kw_only=True):
    """The result of one check: `order` as it is now with status 200, else `problem`."""

    order_id: str
    status: int
    order: Order | None = None
    problem: dict[str, Any] | None = None


class OrderVerdicts(Model, frozen=True, kw_only=True):
    """The result of each check, in the order of the request."""

    data: list[OrderVerdict]


class Refund(Model, frozen=True, kw_only=True):
    """A refund of an order, and what became of it.

    `state` is counted, waiting (for its order) or conflict, with the reason in `detail`. `amount` is None if
    it refunds the rest of the order; `clawed_back` is in points.
    """

    id: str
    refund_id: str
    order_id: str
    customer_id: str
    state: RefundState
    refunded_at: datetime
    recorded_at: datetime
    detail: str | None = None
    amount: Decimal | None = None
    clawed_back: int | None = None
    transaction_id: str | None = None


class NextTier(Model, frozen=True, kw_only=True):
    """The next higher tier; `points_needed` is in lifetime points."""

    name: str
    points_needed: int


class HeldTier(Model, frozen=True, kw_only=True):
    """The tier that a customer holds; `next_tier` is None for the highest tier."""

    name: str
    multiplier: Decimal
    next_tier: NextTier | None = None


class RecentTransaction(Model, frozen=True, kw_only=True):
    """A transaction as it is listed in a customer's status."""

    id: str
    type: TransactionType
    points: int
    reason: str
    created_at: datetime


class ExpiringPoints(Model, frozen=True, kw_only=True):
    """Points that can be spent through the last day `expires_on`, which ends at `expires_at`."""

    points: int
    expires_on: date
    expires_at: datetime


class ForecastDay(Model, frozen=True, kw_only=True):
    """Points of so many `customers` that can be spent through the last day `expires_on`, which ends at
    `expires_at`."""

    points: int
    customers: int
    expires_on: date
    expires_at: datetime


class ExpirationForecast(Model, frozen=True, kw_only=True):
    """The points of all customers whose last day is from `starts_on`, today, to `ends_on`, by last day, and their
    sum `points`. They were read at `as_of`, and expire then if nothing else happens. The three are None, and there
    is no day, while nothing can expire."""

    as_of: datetime | None
    starts_on: date | None
    ends_on: date | None
    points: int
    data: list[ForecastDay]


class PendingPoints(Model, frozen=True, kw_only=True):
    """The points of an order that wait, by the transaction that posted them. They are released at
    `available_at`; None while they wait for the order to be fulfilled. If it is not, they are given up at
    `gives_up_at`."""

    transaction_id: str
    order_id: str
    points: int
    available_at: datetime | None
    waits_for: str | None = None
    gives_up_at: datetime | None = None


class CustomerStatus(Model, frozen=True, kw_only=True):
    """A customer's points and tier; `tier` is None while the customer holds none.

    `points_pending` are points that wait before they can be spent, `next_expiration` the points that expire next.

    `transactions` holds the ten newest and is empty in lists. `status` is active or suspended; its last
    change was made with the key named `status_by`.
    """

    customer_id: str
    points_balance: int
    lifetime_points: int
    tier: HeldTier | None
    member_since: datetime
    transactions: list[RecentTransaction] = []
    status: AccountStatus = "active"
    status_note: str | None = None
    status_by: str | None = None
    status_changed_at: datetime | None = None
    points_pending: int = 0
    next_expiration: ExpiringPoints | None = None


class Day(Model, frozen=True, kw_only=True):
    """The points of one UTC day, by the time of the events; all but `adjusted` are positive.

    `outstanding` is the points of all customers at the end of the day, `joined` the number of customers whose
    first event is on that day.
    """

    date: date
    issued: int
    redeemed: int
    taken_back: int
    expired: int
    active_customers: int
    adjusted: int = 0
    outstanding: int | None = None
    joined: int = 0


class TierCount(Model, frozen=True, kw_only=True):
    """The number of customers that hold a tier now."""

    name: str
    customers: int


class Summary(Model, frozen=True, kw_only=True):
    """The store's totals, at most five seconds old; days without transactions are omitted.

    `first_day` and `last_day` are the first and last day with transactions ever. `points_pending` wait, and are
    issued once they are released, on the day of their order.
    """

    days: list[Day]
    points_outstanding: int
    customers: int
    tiers: list[TierCount]
    first_day: date | None = None
    last_day: date | None = None
    points_pending: int = 0


class RewardValue(Model, frozen=True, kw_only=True):
    """What a reward is worth: `amount` of money in `currency`, or `percent` off."""

    amount: Decimal | None = None
    currency: str | None = None
    percent: Decimal | None = None


class Reward(Model, frozen=True, kw_only=True):
    """A reward; `points_cost` is its price in points, `stock_left` the remainder of `stock`.

    `type` is discount, shipping, credit or perk. In a list for a customer, `available` says whether
    that customer can redeem it now; if not, `reason` says why and `missing` how many points are
    missing.
    """

    id: str
    name: str
    points_cost: int
    type: RewardType
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
    reason: UnavailableReason | None = None
    missing: int | None = None
    warnings: list[SettingWarning] = []
    version: int = 0


class RewardVersion(Reward, frozen=True, kw_only=True):
    """A reward as it was from `changed_at` on, when the key named `changed_by` changed it. Both are None
    for a version that is older than the record. `deleted` is true for the last version of a deleted reward.
    """

    changed_by: str | None = None
    changed_at: datetime | None = None
    deleted: bool = False


class Redemption(Model, frozen=True, kw_only=True):
    """A redemption and its status; `points` is the price paid, positive.

    `status` is reserved, confirmed, used, cancelling, cancelled or released.
    """

    id: str
    customer_id: str
    reward: RewardRef
    points: int
    status: RedemptionStatus
    created_at: datetime
    code: str | None = None
    transaction_id: str | None = None


class Anomaly(Model, frozen=True, kw_only=True):
    """Suspicious earnings; `evidence` holds the numbers that the detector compared.

    `status` is pending_review, in_review or resolved; `resolution` approved, voided or suspended.
    `reviewed_by` is the name of the key of the last review, `reviewer` that of the person. `version`
    counts the changes, also those by later earnings.
    """

    id: str
    customer_id: str
    type: AnomalyType
    description: str
    points_involved: int
    status: AnomalyStatus
    flagged_at: datetime
    transaction_ids: list[str] = []
    evidence: dict[str, Any] = {}
    resolution: Resolution | None = None
    note: str | None = None
    reviewed_by: str | None = None
    reviewer: str | None = None
    resolved_at: datetime | None = None
    version: int = 0
    updated_at: datetime | None = None
    in_review_at: datetime | None = None


class RapidEarning(Model, frozen=True, kw_only=True):
    """Flags `count` or more earnings within `window_seconds`; `mode` is off, shadow or review."""

    mode: Mode
    count: int
    window_seconds: int


class UnusualAmount(Model, frozen=True, kw_only=True):
    """Flags an earning of at least `min_points` that is `factor` times the median of the earlier
    earnings, if there are at least `min_history` of them."""

    mode: Mode
    factor: Decimal
    min_history: int
    min_points: int


class Deviation(Model, frozen=True, kw_only=True):
    """Flags a day whose robust z-score is `score` or more, after `min_days` days with earnings."""

    mode: Mode
    score: Decimal
    min_days: int


class AnomalySettings(Model, frozen=True, kw_only=True):
    """The detectors' modes and parameters; `version` counts their changes."""

    rapid_earning: RapidEarning
    unusual_amount: UnusualAmount
    deviation: Deviation
    version: int | None = None


class Recall(Model, frozen=True, kw_only=True):
    """Of the anomalies with one resolution, how many the tested settings flag as well."""

    total: int
    flagged: int


class BacktestDay(Model, frozen=True, kw_only=True):
    """What the tested settings flag among one day's earnings."""

    date: date
    flagged: int
    points_involved: int


class BacktestDetector(Model, frozen=True, kw_only=True):
    """One detector's results of a backtest; days without an anomaly are omitted."""

    type: AnomalyType
    flagged: int
    customers: int
    points_involved: int
    days: list[BacktestDay]
    voided: Recall
    suspended: Recall
    approved: Recall


class Backtest(Model, frozen=True, kw_only=True, rename={"from_": "from"}):
    """What the tested settings would have flagged; `earnings` is the number of earnings tested."""

    from_: date
    to: date
    earnings: int
    detectors: list[BacktestDetector]


class CallingKey(Model, frozen=True, kw_only=True):
    """The client's API key: its store, its scopes, and `prefix`, its first characters."""

    store_id: str
    name: str
    prefix: str
    scopes: list[str]
    created_at: datetime


class Clock(Model, frozen=True, kw_only=True):
    """What a store calls now, and by how many seconds its clock was moved forward."""

    now: datetime
    shifted_by_seconds: int


class ServiceState(Model, frozen=True, kw_only=True):
    """Whether a service is ready, and if not, why."""

    name: str
    ready: bool
    reason: str | None = None


class PipelineStep(Model, frozen=True, kw_only=True):
    """`seconds_behind` is the age of the oldest event that waits for the step, None if it is not known;
    `stopped` is true while some events cannot be processed at all."""

    name: Step
    seconds_behind: float | None
    stopped: bool


class Pipeline(Model, frozen=True, kw_only=True):
    """The state of the system, which all stores share."""

    as_of: datetime
    services: list[ServiceState]
    steps: list[PipelineStep]


class EventVerdict(Model, frozen=True, kw_only=True):
    """The result of one event: accepted (202), or rejected (400) with the `problem`.

    `id` is the event's, or None if it could not be read. The order of a `guest` is accepted and earns
    nothing."""

    id: str | None
    status: int
    problem: dict[str, Any] | None = None
    guest: bool = False


class EventsAnswer(Model, frozen=True, kw_only=True):
    """The result of each event, in the order of the request."""

    data: list[EventVerdict]


class TierInput(TypedDict):
    """A tier in a request."""

    name: str
    min_points: int
    multiplier: Decimal | float | str
    perks: NotRequired[list[str]]


class AwardInput(TypedDict):
    """An award of a batch request. `expires_on` is the last day of the points, None if they never expire."""

    customer_id: str
    points: int
    reason: str
    expires_on: NotRequired[date | str | None]


class EventInput(TypedDict):
    """An event to send; `id`, `source` and `time` are generated if they are omitted."""

    type: str
    data: Any
    id: NotRequired[str]
    source: NotRequired[str]
    time: NotRequired[datetime | str]
