"""The ledger: its entries, and the results of awards and redemptions."""

from datetime import date, datetime
from typing import Any, NotRequired, TypedDict

from whale_loyalty.models.base import Model
from whale_loyalty.models.rewards import RewardRef
from whale_loyalty.values import TransactionType


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


class AwardInput(TypedDict):
    """An award of a batch request. `expires_on` is the last day of the points, None if they never expire."""

    customer_id: str
    points: int
    reason: str
    expires_on: NotRequired[date | str | None]
