"""Debits for rewards: judged, taken, settled and given back. docs/rules/redemption.md."""

from libs.kernel.errors import (
    AccountSuspended,
    Conflict,
    InsufficientPoints,
    NotFound,
    ProgramInactive,
    RewardUnavailable,
    WhaleError,
)
from services.earning.domain.accounts import Account
from services.earning.domain.books import Books
from services.earning.domain.postings import Cancellation, Debit, DebitRecord, Settlement
from services.earning.domain.programs import StorePrograms


def refusal(
    account: Account, programs: StorePrograms, *, points: int, min_tier: str | None
) -> WhaleError | None:
    """Why the account cannot pay `points` for a reward that asks for `min_tier`, or None.

    Previews and debits ask this same question, so they cannot differ. Source of the order: the
    API's documentation, "Errors".
    """
    if not account.exists:
        return NotFound("There is no such customer in this store.")
    if programs.default is None:
        return ProgramInactive("The store has no active loyalty program, so nothing is redeemed.")
    if account.suspended:
        return AccountSuspended(f"The account of {account.customer_id} is suspended.")
    if min_tier is not None:
        span = programs.default.span(min_tier)
        if span is None or account.lifetime < span[0]:
            return RewardUnavailable(
                f"The reward is for customers from the tier {min_tier} on.", reason="tier_required"
            )
    if account.balance < points:
        return InsufficientPoints(balance=account.balance, required=points)
    return None


def debit(books: Books, posting: Debit) -> DebitRecord:
    """Take the price, once per redemption. Raises the refusal, and records that it was refused: were
    it not, the same debit on its way a second time could still take the points after the
    reservation is gone.

    One that was refused or given up stays so: asked for again it raises why the account could not
    pay now, or returns the record where it could, for a new redemption."""
    known = books.known.debits.get(posting.redemption_id)
    if known is not None and known.entry is not None:
        return known
    account = books.account(posting.store_id, posting.customer_id)
    programs = books.programs(posting.store_id)
    refused = refusal(account, programs, points=posting.points, min_tier=posting.min_tier)
    if refused is not None:
        if known is None:
            _refuse(books, posting)
        raise refused
    if known is not None:
        return known
    entry = books.enter(
        account,
        type_="redeem",
        points=-posting.points,
        lifetime_change=0,
        reason=posting.reward.name,
        occurred_at=posting.occurred_at,
        redemption_id=posting.redemption_id,
        reward=posting.reward,
    )
    return _record(
        books,
        DebitRecord(
            store_id=posting.store_id,
            redemption_id=posting.redemption_id,
            account=account,
            state="debited",
            entry=entry,
        ),
    )


def settle(books: Books, posting: Settlement) -> DebitRecord:
    """The redemption as it stands; one not debited yet is refused from now on."""
    known = books.known.debits.get(posting.redemption_id)
    if known is not None:
        return known
    return _refuse(books, posting)


def cancel(books: Books, posting: Cancellation) -> DebitRecord:
    """Give the points back, also to a suspended account; a second time changes nothing. Raises
    Conflict where nothing was debited."""
    known = books.known.debits.get(posting.redemption_id)
    if known is None or known.entry is None:
        raise Conflict("Nothing was debited for this redemption.")
    if known.state == "cancelled":
        return known
    account = books.account(posting.store_id, posting.customer_id)
    known.cancelled_by = books.enter(
        account,
        type_="cancel",
        points=-known.entry.points,
        lifetime_change=0,
        reason=known.entry.reason,
        occurred_at=posting.occurred_at,
        redemption_id=posting.redemption_id,
        reward=known.entry.reward,
    )
    known.state = "cancelled"
    return _record(books, known)


def _refuse(books: Books, posting: Debit | Settlement) -> DebitRecord:
    """Never to be debited from now on."""
    account = books.account(posting.store_id, posting.customer_id)
    return _record(
        books,
        DebitRecord(
            store_id=posting.store_id,
            redemption_id=posting.redemption_id,
            account=account if account.exists else None,
            state="refused",
        ),
    )


def _record(books: Books, record: DebitRecord) -> DebitRecord:
    books.known.debits[record.redemption_id] = books.debits[record.redemption_id] = record
    return record
