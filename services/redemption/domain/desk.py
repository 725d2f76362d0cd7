"""The fold of a batch: actions, in order, over the rewards and redemptions they touch.

A `Desk` is what one batch knows and holds locked. `apply` takes one action and answers the redemption
it leaves, or raises the refusal and changes nothing. `reserved` and `moved` are to be written
afterwards, and `usage` of the rewards in `used`; `abandoned` are those whose cancellation was
refused, however they moved on in the same batch.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final
from uuid import UUID

from msgspec import Struct, field
from msgspec.structs import replace

from libs.kernel.errors import Conflict, NotFound
from services.redemption.domain import rewards
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
from services.redemption.domain.rewards import WITH_CODE, Reward, RewardKey

CustomerKey = tuple[str, str, str]


class UnknownReward(Exception):
    """Nothing is known here of the reward; the catalog may know it."""


class Known(Struct):
    """What a batch reads under its locks: rewards, how much of each is in use in all and by the
    customers who ask for a limited one, and the redemptions that take a step."""

    rewards: Mapping[RewardKey, Reward] = field(default_factory=dict)
    usage: dict[RewardKey, int] = field(default_factory=dict)
    by_customer: dict[CustomerKey, int] = field(default_factory=dict)
    redemptions: dict[UUID, Redemption] = field(default_factory=dict)


class Desk:
    """The desk of one batch."""

    def __init__(self, known: Known) -> None:
        self._known = known
        self.reserved: dict[UUID, Redemption] = {}
        self.moved: dict[UUID, Redemption] = {}
        self.abandoned: dict[UUID, Redemption] = {}
        self.used: dict[RewardKey, int] = {}

    def apply(self, action: Action) -> Redemption:
        """Take `action`; raises a WhaleError, or UnknownReward, and then nothing changed."""
        return _RULES[type(action)](self, action)

    def reserve(self, action: Reserve) -> Redemption:
        reward = self._known.rewards.get(action.reward_key)
        if reward is None:
            raise UnknownReward
        customer = (*action.reward_key, action.customer_id)
        use = rewards.Use(
            self._known.usage.get(reward.key, 0), self._known.by_customer.get(customer, 0)
        )
        refused = rewards.refusal(reward, use, now=action.now, points_cost=action.points_cost)
        if refused is not None:
            raise refused
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
        self._known.redemptions[redemption.id] = self.reserved[redemption.id] = redemption
        return redemption

    def confirm(self, action: Confirm) -> Redemption:
        """Heard from the answer or from the event, whichever comes first; the other finds it done."""
        redemption = self._find(action)
        if redemption.status == "reserved":
            return self._move(replace(redemption, status="confirmed", debit=action.debit))
        return redemption

    def release(self, action: Release) -> Redemption:
        redemption = self._find(action)
        if redemption.status == "reserved":
            self._count(redemption, -1)
            return self._move(replace(redemption, status="released"))
        return redemption

    def begin_cancel(self, action: BeginCancel) -> Redemption:
        redemption = self._find(action)
        if redemption.status not in {"confirmed", "cancelling", "cancelled"}:
            raise Conflict(_NOT_CANCELLED[redemption.status])
        if redemption.status == "confirmed":
            return self._move(replace(redemption, status="cancelling"))
        return redemption

    def finish_cancel(self, action: FinishCancel) -> Redemption:
        """The points are back, which is final: so it is cancelled also where another request was
        refused meanwhile and abandoned the cancellation."""
        redemption = self._find(action)
        if redemption.status in {"cancelling", "confirmed"}:
            self._count(redemption, -1)
            return self._move(replace(redemption, status="cancelled"))
        return redemption

    def abandon_cancel(self, action: AbandonCancel) -> Redemption:
        redemption = self._find(action)
        if redemption.status == "cancelling":
            stands = replace(redemption, status="confirmed")
            self.abandoned[stands.id] = stands
            return self._move(stands)
        return redemption

    def use(self, action: Use) -> Redemption:
        redemption = self._find(action)
        if redemption.status not in {"confirmed", "used"}:
            raise Conflict(_NOT_USED[redemption.status])
        if redemption.status == "confirmed":
            return self._move(replace(redemption, status="used"))
        return redemption

    def _find(self, action: Step) -> Redemption:
        redemption = self._known.redemptions.get(action.id)
        if redemption is None or redemption.store_id != action.store_id:
            raise NotFound("There is no such redemption in this store.")
        return redemption

    def _move(self, redemption: Redemption) -> Redemption:
        self._known.redemptions[redemption.id] = self.moved[redemption.id] = redemption
        return redemption

    def _count(self, redemption: Redemption, change: int) -> None:
        key = redemption.reward_key
        customer = (*key, redemption.customer_id)
        self._known.by_customer[customer] = self._known.by_customer.get(customer, 0) + change
        taken = self._known.usage.get(key, 0) + change
        self._known.usage[key] = self.used[key] = taken


_RULES: Final[dict[type, Callable[[Desk, Any], Redemption]]] = {
    Reserve: Desk.reserve,
    Confirm: Desk.confirm,
    Release: Desk.release,
    BeginCancel: Desk.begin_cancel,
    FinishCancel: Desk.finish_cancel,
    AbandonCancel: Desk.abandon_cancel,
    Use: Desk.use,
}

_SETTLING: Final = "The redemption is still being settled. Try again in a moment."
_RELEASED: Final = "The redemption never took place: it was released."
_NOT_CANCELLED: Final = {
    "reserved": _SETTLING,
    "released": _RELEASED,
    "used": "The redemption has been used, so it cannot be cancelled.",
}
_NOT_USED: Final = {
    "reserved": _SETTLING,
    "released": _RELEASED,
    "cancelling": "The redemption is being cancelled, so it cannot be used.",
    "cancelled": "The redemption was cancelled, so it cannot be used.",
}
