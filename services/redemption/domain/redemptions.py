"""Redemptions, and the actions that create and change them. docs/rules/redemption.md has the table."""

from datetime import datetime
from uuid import UUID

from msgspec import Struct

from libs.contracts.rewards import RedemptionStatus
from services.redemption.domain.rewards import RewardKey


class Debit(Struct, frozen=True):
    """The ledger's transaction that took the price; `created_at` is RFC 3339 text, as the ledger wrote
    it."""

    transaction_id: str
    balance_after: int
    created_at: str


class Redemption(Struct, frozen=True, kw_only=True):
    """A reward for a customer; `points` is the price reserved, which is the price paid.

    An action returns a new value and changes none: the value that one request of a batch got must not
    change when a later request changes the redemption.

    `claim_key` is the idempotency key that stands for it. `debit` is set once it is confirmed.
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
    def public_id(self) -> str:
        """The id that callers and the ledger know it by."""
        return f"rdm_{self.id}"

    @property
    def reward_key(self) -> RewardKey:
        return self.store_id, self.reward_id


class Reserve(Struct, frozen=True, kw_only=True):
    """Reserve a reward for a customer; `points_cost` is the only price that the caller accepts."""

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
    """A change of an existing redemption. It names the reward too, whose usage is locked with it."""

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
    """Start to return the points: from now on the reward cannot be used."""


class FinishCancel(Step, frozen=True, kw_only=True):
    """The ledger returned the points."""


class AbandonCancel(Step, frozen=True, kw_only=True):
    """The ledger cannot return the points: the redemption is confirmed again."""


class Use(Step, frozen=True, kw_only=True):
    """The shop fulfilled it."""


Action = Reserve | Confirm | Release | BeginCancel | FinishCancel | AbandonCancel | Use
