"""Redemptions and the steps they take. docs/rules/redemption.md has the table."""

from datetime import datetime
from uuid import UUID

from msgspec import Struct

from libs.contracts.rewards import RedemptionStatus
from services.redemption.domain.rewards import RewardKey


class Debit(Struct, frozen=True):
    """The ledger's transaction that took the price; `created_at` is RFC 3339, as it was told."""

    transaction_id: str
    balance_after: int
    created_at: str


class Redemption(Struct, frozen=True, kw_only=True):
    """One reward for one customer; `points` is the price reserved, which is the price paid.

    A step makes another one of it: what a request was answered with never changes afterwards.

    `claim_key` is the idempotency key that stands for it. `debit` is there once it is confirmed.
    """

    id: UUID
    store_id: str
    customer_id: str
    reward_id: str
    reward_name: str
    points: int
    min_tier: str | None
    status: RedemptionStatus
    code: str | None
    claim_key: str | None
    debit: Debit | None = None

    @property
    def reward_key(self) -> RewardKey:
        return self.store_id, self.reward_id

    @property
    def in_use(self) -> bool:
        """Whether it counts against stock and limits."""
        return self.status not in {"released", "cancelled"}


class Reserve(Struct, frozen=True, kw_only=True):
    """Set one of a reward aside for a customer; `points_cost` is the only price they would pay."""

    id: UUID
    store_id: str
    customer_id: str
    reward_id: str
    points_cost: int | None
    code: str
    claim_key: str | None
    now: datetime

    @property
    def reward_key(self) -> RewardKey:
        return self.store_id, self.reward_id


class Step(Struct, frozen=True, kw_only=True):
    """A step of a redemption that exists: it names the reward too, whose use is locked with it."""

    id: UUID
    store_id: str
    reward_id: str

    @property
    def reward_key(self) -> RewardKey:
        return self.store_id, self.reward_id


class Confirm(Step, frozen=True, kw_only=True):
    """The ledger took the price."""

    debit: Debit


class Release(Step, frozen=True, kw_only=True):
    """The ledger did not take the price and never will."""


class BeginCancel(Step, frozen=True, kw_only=True):
    """Give the points back: from now on nobody can use it."""


class FinishCancel(Step, frozen=True, kw_only=True):
    """The ledger gave the points back."""


class AbandonCancel(Step, frozen=True, kw_only=True):
    """The ledger cannot give the points back: the redemption stands."""


class Use(Step, frozen=True, kw_only=True):
    """The shop honoured it."""


Action = Reserve | Confirm | Release | BeginCancel | FinishCancel | AbandonCancel | Use
