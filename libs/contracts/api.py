"""The REST schemas of /v1. The fields that clients rely on come first and are never renamed.

Responses have times as text (UTC, milliseconds, `Z`) and omit unset fields. Requests with unknown
fields are refused, so that a misspelled one is noticed immediately.
"""

from decimal import Decimal
from typing import Final, Literal

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from libs.contracts.events import LotRef, RewardRef, TransactionType

AccountStatus = Literal["active", "suspended"]
OrderState = Literal["counted", "held", "skipped", "refused"]
# What orders are listed by; `pending`: counted ones whose points wait.
OrderStateFilter = Literal["counted", "held", "skipped", "refused", "pending"]
# `not_postable`: a held order that breaks a bound when it is finally posted.
SkipReason = Literal[
    "no_program", "program_inactive", "unknown_program", "other_currency", "not_postable"
]
ZeroReason = Literal["total_is_zero", "below_one_point"]
LetterTopic = Literal["order.completed", "order.refunded", "order.fulfilled"]
LetterCode = Literal["malformed", "invalid", "conflict", "unsupported_version", "defect"]

MAX_NAME: Final = 120
MAX_REASON: Final = 255
MAX_TIERS: Final = 50
MAX_PERKS: Final = 50
MAX_RATE: Final = 10**6
MAX_MULTIPLIER: Final = 1_000
MAX_MANUAL_POINTS: Final = 10**9
MAX_BATCH_ITEMS: Final = 500
MAX_ORDER_POINTS: Final = 10**12
MAX_BALANCE: Final = 9 * 10**15
MAX_VERSION: Final = 10**9
MAX_LISTED_IDS: Final = 100

encode: Final = msgspec.json.Encoder(decimal_format="number").encode


class Request(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The base class of request bodies."""


class Response(Struct, frozen=True, kw_only=True):
    """The base class of response bodies."""


class SettingWarning(Response, frozen=True, kw_only=True):
    """What the bounds allow and was probably not meant, at a place in the body of the request; it was
    carried out all the same."""

    pointer: str
    detail: str


class EarnRequest(Request, frozen=True, kw_only=True):
    """A manual award: `points` are posted unchanged, without rate or multiplier.

    `expires_on` is their last day, from today to ten years ahead in the zone of the store; null, if they never
    expire. Without it, they follow the setting of the program."""

    customer_id: str
    points: int
    reason: str
    expires_on: str | UnsetType | None = UNSET


class AdjustRequest(Request, frozen=True, kw_only=True):
    """A manual adjustment: `points` is signed and not zero. Only added points can have an `expires_on`, which is as
    in an award."""

    customer_id: str
    points: int
    reason: str
    expires_on: str | UnsetType | None = UNSET


class EarnBatchRequest(Request, frozen=True, kw_only=True):
    """Awards with one outcome each; every item is an EarnRequest, which is validated separately."""

    items: list[Raw]


class CustomerPatch(Request, frozen=True, kw_only=True):
    """Suspend or reactivate an account."""

    status: AccountStatus
    note: str | None = None


class Transaction(Response, frozen=True, kw_only=True):
    """A ledger entry; `points` is signed, `balance_after` is the balance after it. `clawed_back` is how many
    points of an earning refunds and voids took so far, `anomaly_id` the anomaly that a void resolved, and
    `posted_by` the name of the key that made a manual award or adjustment.

    Where points expire or wait: `lots` are what a credit became, what a debit was drawn from, or what expired;
    `covered` are the points of a clawback that had expired and cost nothing; `pending` is the signed change of the
    pending points, and `available_at` when they become or became available.
    """

    id: str
    customer_id: str
    type: TransactionType
    points: int
    reason: str
    balance_after: int
    created_at: str
    reward: RewardRef | UnsetType = UNSET
    order_id: str | UnsetType = UNSET
    redemption_id: str | UnsetType = UNSET
    occurred_at: str | UnsetType = UNSET
    clawed_back: int | UnsetType = UNSET
    anomaly_id: str | UnsetType = UNSET
    posted_by: str | UnsetType = UNSET
    lots: list[LotRef] | UnsetType = UNSET
    pending: int | UnsetType = UNSET
    covered: int | UnsetType = UNSET
    available_at: str | UnsetType = UNSET


class OrderLetter(Response, frozen=True, kw_only=True):
    """A dead letter of an order: why a record about it could not be processed."""

    id: str
    code: LetterCode
    detail: str
    dead_at: str


class Order(Response, frozen=True, kw_only=True):
    """An order, and what became of it. `award` is the whole award, `pending` the points of it that wait
    before they can be spent, `given_up` those that were never available, since the fulfillment did not
    arrive in time, `clawed_back` the points that refunds and voids took of it, `refunded` money.

    Why there are no points: `skip_reason` if it is skipped, with the values in question in `skip_detail`;
    `zero_reason` if it counts and is worth nothing; a suspended account if it is held, which no other
    order is. A `refused` order is known only by its dead letters, which may not name its customer; its
    total, currency and time are not known. `program_id`, `tier` and `multiplier` priced the award.

    `recorded_at` is when the order got its state; of a refused one, the time of the newest letter. An
    order without points that was recorded before orders were listed shows `completed_at`.

    `transaction_id` is that of the `earn`, and before it that of the `pend`. Points that wait become available at
    `available_at`, which is left out while that is not known. Available points can be spent through `expires_on`,
    left out where they do not expire, and if they expire by inactivity.
    """

    order_id: str
    order_number: str | UnsetType = UNSET
    customer_id: str | UnsetType = UNSET
    state: OrderState
    skip_reason: SkipReason | UnsetType = UNSET
    skip_detail: str | UnsetType = UNSET
    zero_reason: ZeroReason | UnsetType = UNSET
    dead_letters: list[OrderLetter] | UnsetType = UNSET
    total: str | UnsetType = UNSET
    currency: str | UnsetType = UNSET
    program_id: str | UnsetType = UNSET
    tier: str | UnsetType = UNSET
    multiplier: Decimal | UnsetType = UNSET
    award: int
    pending: int
    given_up: int | UnsetType = UNSET
    clawed_back: int
    refunded: str
    transaction_id: str | UnsetType = UNSET
    completed_at: str | UnsetType = UNSET
    recorded_at: str
    available_at: str | UnsetType = UNSET
    expires_on: str | UnsetType = UNSET


class DeadLetter(Response, frozen=True, kw_only=True):
    """A record of `topic` that could not be processed, and why. `customer_id` and `order_id` are those
    that the record names. Of a `truncated` letter only the beginning is kept. `headers` and `value` are
    shown to keys with the scope manage, one letter at a time; a value that is not UTF-8 is base64.
    `replayed_at` is when the record was published again."""

    id: str
    topic: LetterTopic
    code: LetterCode
    detail: str
    service: str
    customer_id: str | UnsetType = UNSET
    order_id: str | UnsetType = UNSET
    truncated: bool
    dead_at: str
    headers: dict[str, str] | UnsetType = UNSET
    value: str | UnsetType = UNSET
    value_encoding: Literal["text", "base64"] | UnsetType = UNSET
    replayed_at: str | UnsetType = UNSET


class NextTier(Response, frozen=True, kw_only=True):
    """The next higher tier, and the lifetime points that are missing to reach it."""

    name: str
    points_needed: int


class HeldTier(Response, frozen=True, kw_only=True):
    """The tier of a customer; `next_tier` is null for the highest one."""

    name: str
    multiplier: Decimal
    next_tier: NextTier | None


class RecentTransaction(Response, frozen=True, kw_only=True):
    """A transaction in a customer's status."""

    id: str
    type: TransactionType
    points: int
    reason: str
    created_at: str


class ExpiringPoints(Response, frozen=True, kw_only=True):
    """Points that can be spent through the last day `expires_on`, which ends at `expires_at`."""

    points: int
    expires_on: str
    expires_at: str


class Expirations(Response, frozen=True, kw_only=True):
    """A page of the points of a customer that expire, by last day. `without_date` has the points that never
    expire; together, all pages and they are the balance, or 0 if it is below zero."""

    data: list[ExpiringPoints]
    total: int
    has_more: bool
    without_date: int


class ForecastDay(Response, frozen=True, kw_only=True):
    """Points of so many `customers` that can be spent through the last day `expires_on`, which ends at
    `expires_at`."""

    points: int
    customers: int
    expires_on: str
    expires_at: str


class ExpirationForecast(Response, frozen=True, kw_only=True):
    """The points of all customers whose last day is from `starts_on`, today in the store's time zone, to `ends_on`,
    by last day, and their sum `points`. They expire then if nothing else happens. Points that wait, and those of
    suspended accounts, are not among them.

    The accounts were read from `as_of` on, on the store's clock: about a minute ago in a store with some thousand
    customers, up to half an hour ago in one with a million. The three are null, and there is no day, while nothing
    can expire, and up to a minute after the first setting or date."""

    as_of: str | None
    starts_on: str | None
    ends_on: str | None
    points: int
    data: list[ForecastDay]


class PendingPoints(Response, frozen=True, kw_only=True):
    """The points of an order that wait, by the transaction that posted them. They are released at
    `available_at`, up to a minute later; null while that is not known, because they wait for the order to be
    fulfilled. If it is not, they are given up at `gives_up_at`."""

    transaction_id: str
    order_id: str
    points: int
    available_at: str | None
    waits_for: Literal["fulfilled"] | UnsetType = UNSET
    gives_up_at: str | UnsetType = UNSET


class CustomerStatus(Response, frozen=True, kw_only=True):
    """The account of a customer; `tier` is null while the customer has none. `status_note`, `status_by` (the
    name of the key) and `status_changed_at` are those of the last change of the status.

    `points_balance` has the points that can be spent now. `points_pending` are those that wait, and
    `next_expiration` says which expire next; each is left out while there are none. Points that expire are left out
    from that instant on; points that are released are added up to a minute later.
    """

    customer_id: str
    points_balance: int
    lifetime_points: int
    tier: HeldTier | None
    transactions: list[RecentTransaction] | UnsetType = UNSET
    member_since: str
    status: AccountStatus
    status_note: str | UnsetType = UNSET
    status_by: str | UnsetType = UNSET
    status_changed_at: str | UnsetType = UNSET
    points_pending: int | UnsetType = UNSET
    next_expiration: ExpiringPoints | UnsetType = UNSET


class Verdict(Response, frozen=True, kw_only=True):
    """The outcome of one item of a batch: a transaction with status 201, else a problem."""

    status: int
    transaction: Transaction | UnsetType = UNSET
    problem: Raw | UnsetType = UNSET


class BatchAnswer(Response, frozen=True, kw_only=True):
    """The outcome of each item, in order."""

    data: list[Verdict]


class Day(Response, frozen=True, kw_only=True):
    """The points of a UTC day, by the times of the events; all numbers but `adjusted` and `outstanding` are
    positive. `adjusted` is the sum of the adjustments, `outstanding` the points of all customers at the end
    of the day, and `joined` the number of customers whose first event is on that day."""

    date: str
    issued: int
    redeemed: int
    taken_back: int
    expired: int
    active_customers: int
    adjusted: int
    outstanding: int
    joined: int


class TierCount(Response, frozen=True, kw_only=True):
    """The number of customers that have a tier now."""

    name: str
    customers: int


class Summary(Response, frozen=True, kw_only=True):
    """The key figures of the program, at most five seconds old. `first_day` and `last_day` are the first and
    last day with postings ever, null while there are none. `points_pending` are the points that wait, left out
    while there are none; they are issued once they are released, on the day of their order.

    `points_outstanding` counts points until their expiration is posted: up to a minute after their last day, while
    their customer's balance leaves them out at its end."""

    days: list[Day]
    points_outstanding: int
    customers: int
    tiers: list[TierCount]
    first_day: str | None
    last_day: str | None
    points_pending: int | UnsetType = UNSET


class ClockRequest(Request, frozen=True, kw_only=True):
    """What the store's clock shows from now on."""

    now: str


class Clock(Response, frozen=True, kw_only=True):
    """A store's clock: what the ledger calls now, and by how many whole seconds it was moved forward."""

    now: str
    shifted_by_seconds: int


class CallingKey(Response, frozen=True, kw_only=True):
    """The API key of the request. `prefix` are its first characters, which lists of keys show."""

    store_id: str
    name: str
    prefix: str
    scopes: list[str]
    created_at: str
