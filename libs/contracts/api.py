"""The REST shapes of /v1. The fields that clients rely on come first and are never renamed.

Answers write times as text (UTC, milliseconds, `Z`) and leave out what is unset. Requests refuse
unknown fields, so that a misspelt one is seen at once.
"""

from decimal import Decimal
from typing import Final, Literal

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from libs.contracts.events import RewardRef, TransactionType
from libs.contracts.numbers import Exact

AccountStatus = Literal["active", "suspended"]

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

encode: Final = msgspec.json.Encoder(decimal_format="number").encode


class Request(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every request body shares."""


class Answer(Struct, frozen=True, kw_only=True):
    """What every answer shares."""


class Tier(Answer, frozen=True, kw_only=True):
    """A step of a programme; `multiplier` scales awards, `min_points` are lifetime points."""

    name: str
    min_points: int
    multiplier: Decimal
    perks: list[str] | UnsetType = UNSET


class Program(Answer, frozen=True, kw_only=True):
    """A loyalty programme; `points_per_dollar` is points per unit of `currency`."""

    id: str
    name: str
    points_per_dollar: Decimal
    tiers: list[Tier]
    is_active: bool
    created_at: str
    currency: str


class TierInput(Request, frozen=True, kw_only=True):
    name: str
    min_points: int
    multiplier: Exact
    perks: list[str] | None = None


class ProgramCreate(Request, frozen=True, kw_only=True):
    name: str
    points_per_dollar: Exact
    tiers: list[TierInput] = []
    is_active: bool = True
    currency: str = "USD"


class ProgramPatch(Request, frozen=True, kw_only=True):
    """What is left out stays as it is."""

    name: str | UnsetType = UNSET
    points_per_dollar: Exact | UnsetType = UNSET
    tiers: list[TierInput] | UnsetType | None = UNSET
    is_active: bool | UnsetType = UNSET
    currency: str | UnsetType = UNSET


class EarnRequest(Request, frozen=True, kw_only=True):
    """A manual award: `points` are taken as given, without rate or multiplier."""

    customer_id: str
    points: int
    reason: str


class AdjustRequest(Request, frozen=True, kw_only=True):
    """A correction by hand: `points` is signed and not zero."""

    customer_id: str
    points: int
    reason: str


class EarnBatchRequest(Request, frozen=True, kw_only=True):
    """Awards that are judged one by one; each item is an EarnRequest, read on its own."""

    items: list[Raw]


class CustomerPatch(Request, frozen=True, kw_only=True):
    """Suspend an account, or make it active again."""

    status: AccountStatus
    note: str | None = None


class Transaction(Answer, frozen=True, kw_only=True):
    """A ledger entry; `points` is signed, `balance_after` is the balance it left."""

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


class NextTier(Answer, frozen=True, kw_only=True):
    """The tier above, and the lifetime points still missing to it."""

    name: str
    points_needed: int


class HeldTier(Answer, frozen=True, kw_only=True):
    """The tier a customer holds; `next_tier` is null at the top."""

    name: str
    multiplier: Decimal
    next_tier: NextTier | None


class RecentTransaction(Answer, frozen=True, kw_only=True):
    """A transaction as a customer's status shows it."""

    id: str
    type: TransactionType
    points: int
    reason: str
    created_at: str


class CustomerStatus(Answer, frozen=True, kw_only=True):
    """A customer's loyalty: `tier` is null while none is held."""

    customer_id: str
    points_balance: int
    lifetime_points: int
    tier: HeldTier | None
    transactions: list[RecentTransaction] | UnsetType = UNSET
    member_since: str
    status: AccountStatus


class Verdict(Answer, frozen=True, kw_only=True):
    """What became of one item of a batch: the transaction of a 201, or the problem of the rest."""

    status: int
    transaction: Transaction | UnsetType = UNSET
    problem: Raw | UnsetType = UNSET


class BatchAnswer(Answer, frozen=True, kw_only=True):
    """A verdict for each item, in order."""

    data: list[Verdict]


class Day(Answer, frozen=True, kw_only=True):
    """A day's points, by the events' own time in UTC; all amounts are positive."""

    date: str
    issued: int
    redeemed: int
    taken_back: int
    expired: int
    active_customers: int


class TierCount(Answer, frozen=True, kw_only=True):
    """How many customers hold a tier now."""

    name: str
    customers: int


class Summary(Answer, frozen=True, kw_only=True):
    """The programme at a glance, at most five seconds behind."""

    days: list[Day]
    points_outstanding: int
    customers: int
    tiers: list[TierCount]
