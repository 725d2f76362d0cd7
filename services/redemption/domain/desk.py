"""The fold of a batch: actions, in order, over the rewards and redemptions that they touch.

A `Desk` holds what one batch has read and locked. `apply` carries out one action and returns the
resulting redemption, or raises the refusal and changes nothing. Afterwards the store writes what the
desk collected.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final
from uuid import UUID

from msgspec import Struct, field
from msgspec.structs import replace

from libs.kernel.errors import Conflict, NotFound
from services.redemption.domain.redemptions import (
    AbandonCancel,
    Action,
    BeginCancel,
    Confirm,
    FinishCancel,
    Redemption,
    Release,
    Reserve,
    Step,
    Use,
)
from services.redemption.domain.rewards import WITH_CODE, Reward, RewardKey, Usage, find_refusal

CustomerKey = tuple[str, str, str]


class UnknownReward(NotFound):
    """No event of the reward has arrived; the catalog may have it."""

    def __init__(self) -> None:
        super().__init__("There is no such reward in this store.")


class Known(Struct):
    """What a batch reads under its locks: rewards, how many of each are in use in all and by the
    customers who request one with a limit per customer, and the redemptions that change."""

    rewards: Mapping[RewardKey, Reward] = field(default_factory=dict)
    usage: dict[RewardKey, int] = field(default_factory=dict)
    by_customer: dict[CustomerKey, int] = field(default_factory=dict)
    redemptions: dict[UUID, Redemption] = field(default_factory=dict)


class Desk:
    """The fold of one batch. `inserts` and `updates` are redemptions to write, `usage_updates` how many
    of each reward are in use. `failed_cancels` are the redemptions whose cancellation was abandoned,
    as they were then, whatever happened to them later in the batch."""

    def __init__(self, known: Known) -> None:
        self._known = known
        self.inserts: dict[UUID, Redemption] = {}
        self.updates: dict[UUID, Redemption] = {}
        self.failed_cancels: dict[UUID, Redemption] = {}
        self.usage_updates: dict[RewardKey, int] = {}

    def apply(self, action: Action) -> Redemption:
        """Carry out `action`. Raises a WhaleError, and then nothing has changed."""
        return _RULES[type(action)](self, action)

    def reserve(self, action: Reserve) -> Redemption:
        reward = self._known.rewards.get(action.reward_key)
        if reward is None:
            raise UnknownReward
        customer = (*action.reward_key, action.customer_id)
        usage = Usage(
            self._known.usage.get(reward.key, 0), self._known.by_customer.get(customer, 0)
        )
        refusal = find_refusal(reward, usage, now=action.now, points_cost=action.points_cost)
        if refusal is not None:
            raise refusal
        redemption = Redemption(
            id=action.id,
            store_id=action.store_id,
            customer_id=action.customer_id,
            reward_id=reward.reward_id,
            reward_name=reward.name,
            points=reward.points_cost,
            min_tier=reward.min_tier,
            status="reserved",
            code=action.code if reward.type in WITH_CODE else None,
            claim_key=action.claim_key,
        )
        self._count(redemption, 1)
        self._known.redemptions[redemption.id] = self.inserts[redemption.id] = redemption
        return redemption

    def confirm(self, action: Confirm) -> Redemption:
        """The ledger's response and its event both lead here; the second one changes nothing."""
        redemption = self._find(action)
        if redemption.status == "reserved":
            return self._update(replace(redemption, status="confirmed", debit=action.debit))
        return redemption

    def release(self, action: Release) -> Redemption:
        redemption = self._find(action)
        if redemption.status == "reserved":
            self._count(redemption, -1)
            return self._update(replace(redemption, status="released"))
        return redemption

    def begin_cancel(self, action: BeginCancel) -> Redemption:
        redemption = self._find(action)
        if redemption.status not in {"confirmed", "cancelling", "cancelled"}:
            raise Conflict(_CANNOT_CANCEL[redemption.status])
        if redemption.status == "confirmed":
            return self._update(replace(redemption, status="cancelling"))
        return redemption

    def finish_cancel(self, action: FinishCancel) -> Redemption:
        """The ledger has returned the points, which is final: the redemption is cancelled even if
        another request abandoned the cancellation in the meantime."""
        redemption = self._find(action)
        if redemption.status in {"cancelling", "confirmed"}:
            self._count(redemption, -1)
            return self._update(replace(redemption, status="cancelled"))
        return redemption

    def abandon_cancel(self, action: AbandonCancel) -> Redemption:
        redemption = self._find(action)
        if redemption.status == "cancelling":
            confirmed = replace(redemption, status="confirmed")
            self.failed_cancels[confirmed.id] = confirmed
            return self._update(confirmed)
        return redemption

    def use(self, action: Use) -> Redemption:
        redemption = self._find(action)
        if redemption.status not in {"confirmed", "used"}:
            raise Conflict(_CANNOT_USE[redemption.status])
        if redemption.status == "confirmed":
            return self._update(replace(redemption, status="used"))
        return redemption

    def _find(self, action: Step) -> Redemption:
        redemption = self._known.redemptions.get(action.id)
        if redemption is None or redemption.store_id != action.store_id:
            raise NotFound("There is no such redemption in this store.")
        return redemption

    def _update(self, redemption: Redemption) -> Redemption:
        self._known.redemptions[redemption.id] = self.updates[redemption.id] = redemption
        return redemption

    def _count(self, redemption: Redemption, change: int) -> None:
        key = redemption.reward_key
        customer = (*key, redemption.customer_id)
        self._known.by_customer[customer] = self._known.by_customer.get(customer, 0) + change
        in_use = self._known.usage.get(key, 0) + change
        self._known.usage[key] = self.usage_updates[key] = in_use


_RULES: Final[dict[type, Callable[[Desk, Any], Redemption]]] = {
    Reserve: Desk.reserve,
    Confirm: Desk.confirm,
    Release: Desk.release,
    BeginCancel: Desk.begin_cancel,
    FinishCancel: Desk.finish_cancel,
    AbandonCancel: Desk.abandon_cancel,
    Use: Desk.use,
}

_RESERVED: Final = "The redemption is still in progress. Try again in a moment."
_RELEASED: Final = (
    "The redemption was refused or timed out, and took no points. Redeem the reward again."
)
_CANNOT_CANCEL: Final = {
    "reserved": _RESERVED,
    "released": _RELEASED,
    "used": "The redemption was used, so it cannot be cancelled. Return points with /loyalty/adjust.",
}
_CANNOT_USE: Final = {
    "reserved": _RESERVED,
    "released": _RELEASED,
    "cancelling": "The redemption is being cancelled, so it cannot be used.",
    "cancelled": "The redemption was cancelled, so it cannot be used.",
}
