"""Debits of redemptions: taken, settled, cancelled. docs/rules/redemption.md."""

from datetime import datetime
from typing import Literal

from msgspec import Struct

from libs.contracts.events import RewardRef
from libs.kernel.errors import (
    AccountSuspended,
    Conflict,
    InsufficientPoints,
    ProgramInactive,
    RewardUnavailable,
    WhaleError,
)
from services.earning.domain.accounts import Account, Entry
from services.earning.domain.batch import LedgerBatch
from services.earning.domain.postings import Posting
from services.earning.domain.programs import StorePrograms
from services.earning.domain.tiers import holds_tier

DebitState = Literal["debited", "cancelled", "refused"]


class Debit(Posting, frozen=True, kw_only=True, gc=False):
    """Take the price of a reward, once per redemption; `min_tier` is the tier the reward requires."""

    redemption_id: str
    points: int
    reward: RewardRef
    min_tier: str | None
    occurred_at: datetime


class Settlement(Posting, frozen=True, kw_only=True, gc=False):
    """Decide whether a redemption was debited; if it was not, it never will be."""

    redemption_id: str


class Cancellation(Posting, frozen=True, kw_only=True, gc=False):
    """Return the points of a redemption, once."""

    redemption_id: str
    occurred_at: datetime


class DebitRecord(Struct, kw_only=True, gc=False):
    """A redemption in the ledger: debited by `entry`, then perhaps cancelled by `cancel_entry`, or
    permanently refused without an entry. `account` is None if the customer does not exist."""

    store_id: str
    redemption_id: str
    account: Account | None
    state: DebitState
    entry: Entry | None = None
    cancel_entry: Entry | None = None

    @property
    def key(self) -> str:
        return self.redemption_id


def find_refusal(
    account: Account, programs: StorePrograms, *, points: int, min_tier: str | None
) -> WhaleError | None:
    """Why the account cannot pay `points` for a reward that requires `min_tier`; None if it can.

    Previews and debits share this check, so they cannot differ. A customer without history is judged
    as one without a tier and with a balance of 0. Source of the order: the API's documentation,
    "Errors".
    """
    if programs.default is None:
        return ProgramInactive(
            "The store has no active loyalty program, so nothing can be redeemed."
        )
    if account.suspended:
        return AccountSuspended(f"The account of {account.customer_id} is suspended.")
    if min_tier is not None and not (
        account.exists and holds_tier(programs.default, account.lifetime, min_tier)
    ):
        return RewardUnavailable(
            f"The reward requires the tier {min_tier} or a higher one.", reason="tier_required"
        )
    if account.balance < points:
        return InsufficientPoints(balance=account.balance, required=points)
    return None


def debit(batch: LedgerBatch, posting: Debit) -> DebitRecord:
    """Take the price, once per redemption.

    Raises the refusal, and records it: otherwise a redelivery of the same debit could still take
    the points after the reservation was released. A refused or abandoned redemption stays refused:
    another debit for it raises why the account could not pay now, or returns the record if it
    could, so that the caller starts a new redemption.
    """
    recorded = batch.get(DebitRecord, posting.redemption_id)
    if recorded is not None and recorded.entry is not None:
        return recorded
    account = batch.account(posting.store_id, posting.customer_id)
    programs = batch.programs(posting.store_id)
    refusal = find_refusal(account, programs, points=posting.points, min_tier=posting.min_tier)
    if refusal is not None:
        if recorded is None:
            _refuse(batch, posting)
        raise refusal
    if recorded is not None:
        return recorded
    entry = batch.enter(
        account,
        type_="redeem",
        points=-posting.points,
        lifetime_change=0,
        reason=posting.reward.name,
        occurred_at=batch.time_of(posting.store_id, posting.occurred_at),
        redemption_id=posting.redemption_id,
        reward=posting.reward,
    )
    return _record(
        batch,
        DebitRecord(
            store_id=posting.store_id,
            redemption_id=posting.redemption_id,
            account=account,
            state="debited",
            entry=entry,
        ),
    )


def settle(batch: LedgerBatch, posting: Settlement) -> DebitRecord:
    """Return the record of the redemption; without a debit it is refused permanently."""
    recorded = batch.get(DebitRecord, posting.redemption_id)
    if recorded is not None:
        return recorded
    return _refuse(batch, posting)


def cancel(batch: LedgerBatch, posting: Cancellation) -> DebitRecord:
    """Return the points, also to a suspended account; a repeated cancellation changes nothing.

    Raises Conflict if nothing was debited.
    """
    recorded = batch.get(DebitRecord, posting.redemption_id)
    if recorded is None or recorded.entry is None:
        raise Conflict("Nothing was debited for this redemption.")
    if recorded.state == "cancelled":
        return recorded
    account = batch.account(posting.store_id, posting.customer_id)
    recorded.cancel_entry = batch.enter(
        account,
        type_="cancel",
        points=-recorded.entry.points,
        lifetime_change=0,
        reason=recorded.entry.reason,
        occurred_at=batch.time_of(posting.store_id, posting.occurred_at),
        redemption_id=posting.redemption_id,
        reward=recorded.entry.reward,
    )
    recorded.state = "cancelled"
    return _record(batch, recorded)


def _refuse(batch: LedgerBatch, posting: Debit | Settlement) -> DebitRecord:
    """Record that the redemption will never be debited."""
    account = batch.account(posting.store_id, posting.customer_id)
    return _record(
        batch,
        DebitRecord(
            store_id=posting.store_id,
            redemption_id=posting.redemption_id,
            account=account if account.exists else None,
            state="refused",
        ),
    )


def _record(batch: LedgerBatch, record: DebitRecord) -> DebitRecord:
    batch.put(record)
    return record
