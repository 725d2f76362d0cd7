"""What our services ask each other over HTTP; callers never see these shapes."""

from msgspec import Struct

from libs.contracts.api import Transaction
from libs.contracts.events import RewardRef


class DebitRequest(Struct, frozen=True, kw_only=True):
    """Take `points` for a reward, once per redemption; `min_tier` is the tier it asks for."""

    redemption_id: str
    customer_id: str
    points: int
    reward: RewardRef
    min_tier: str | None = None


class RedemptionRequest(Struct, frozen=True, kw_only=True):
    """Settle or cancel a redemption of the customer."""

    redemption_id: str
    customer_id: str


class Debited(Struct, frozen=True, kw_only=True):
    """A redemption as the ledger has it: the debit's transaction, or None where there is none and
    never will be; `cancelled` once the points were given back."""

    transaction: Transaction | None
    cancelled: bool = False


class Price(Struct, frozen=True):
    """What a reward asks of a customer."""

    points: int
    min_tier: str | None = None


class PriceCheck(Struct, frozen=True, kw_only=True):
    """Could the customer pay each of these now?"""

    customer_id: str
    prices: list[Price]


class Refusal(Struct, frozen=True, kw_only=True):
    """Why not: the error's code, its reason, and the points that are missing."""

    code: str
    reason: str | None = None
    missing: int | None = None


class PriceAnswer(Struct, frozen=True, kw_only=True):
    """A refusal for each price, in order, or None where it can be paid."""

    refusals: list[Refusal | None]
