"""The schemas of requests between the services; callers of the API never see them."""

from msgspec import Struct

from libs.contracts.api import Transaction
from libs.contracts.events import RewardRef


class DebitRequest(Struct, frozen=True, kw_only=True):
    """Debit `points` for a reward, once per redemption; `min_tier` is the tier that it requires."""

    redemption_id: str
    customer_id: str
    points: int
    reward: RewardRef
    min_tier: str | None = None


class RedemptionRequest(Struct, frozen=True, kw_only=True):
    """Settle or cancel the debit of a redemption."""

    redemption_id: str
    customer_id: str


class DebitState(Struct, frozen=True, kw_only=True):
    """The state of a redemption in the ledger: the debit's transaction, or None if there is none and
    never will be; `cancelled` once the points were returned."""

    transaction: Transaction | None
    cancelled: bool = False


class DebitCheck(Struct, frozen=True, kw_only=True):
    """A question for each redemption: did the ledger debit it? Asking changes nothing."""

    redemption_ids: list[str]


class RecordedDebit(Struct, frozen=True, kw_only=True):
    """The transaction that debited a redemption, also of one whose points were returned since."""

    redemption_id: str
    transaction_id: str
    balance_after: int
    created_at: str


class DebitCheckResult(Struct, frozen=True, kw_only=True):
    """The debits of those redemptions that were debited, in any order."""

    debits: list[RecordedDebit]


class StoreTiers(Struct, frozen=True, kw_only=True):
    """The names of the tiers of the store's default program; None if it has no active program."""

    names: list[str] | None


class Price(Struct, frozen=True):
    """What a reward requires of a customer."""

    points: int
    min_tier: str | None = None


class PriceCheck(Struct, frozen=True, kw_only=True):
    """A question for each price: could the customer pay it now?"""

    customer_id: str
    prices: list[Price]


class Refusal(Struct, frozen=True, kw_only=True):
    """Why a price cannot be paid: the error's code, its reason, and the missing points."""

    code: str
    reason: str | None = None
    missing: int | None = None


class PriceCheckResult(Struct, frozen=True, kw_only=True):
    """For each price, in order: None if it can be paid, else the refusal."""

    refusals: list[Refusal | None]


class GroupProgress(Struct, frozen=True, kw_only=True):
    """How far a consumer group is: the age in seconds of the oldest record that it has not processed,
    0 if there is none; and whether the process that reports has stopped one of its partitions."""

    name: str
    seconds_behind: float
    stopped: bool


class MessagingProgress(Struct, frozen=True, kw_only=True):
    """How far the events of a service are. `unpublished_seconds` is the age of the oldest event in its
    outbox, 0 if there is none. Either is None where it cannot be read now."""

    groups: list[GroupProgress] | None
    unpublished_seconds: float | None


class ServiceProgress(Struct, frozen=True, kw_only=True):
    """What a process reports about itself and its service. `failing` names the checks of its readiness
    that fail."""

    failing: list[str]
    messaging: MessagingProgress
