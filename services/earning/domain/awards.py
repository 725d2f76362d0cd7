"""Manual awards: points that a person gives."""

from datetime import datetime

from libs.kernel.errors import AccountSuspended, ProgramInactive
from services.earning.domain import lot_changes, own_dates
from services.earning.domain.accounts import ManualEntry
from services.earning.domain.batch import LedgerBatch
from services.earning.domain.dates import Day
from services.earning.domain.postings import Posting


class Award(Posting, frozen=True, kw_only=True, gc=False):
    """A manual award of `points`, taken as given; `posted_by` is the key's name. `last_day` is a date of
    their own, NEVER if they never expire, and None if they follow the setting of the program."""

    points: int
    reason: str
    occurred_at: datetime
    posted_by: str
    last_day: Day | None = None


def post_award(batch: LedgerBatch, award: Award) -> ManualEntry:
    """Add the award, without rate or multiplier. Raises ProgramInactive, AccountSuspended, Conflict, or
    InvalidRequest for a date out of bounds."""
    own_dates.check(batch, award.store_id, award.last_day)
    account = batch.account(award.store_id, award.customer_id)
    if batch.programs(award.store_id).default is None:
        raise ProgramInactive("The store has no active loyalty program, so nothing can be earned.")
    if account.suspended:
        raise AccountSuspended(f"The account of {award.customer_id} is suspended.")
    occurred_at = batch.time_of(award.store_id, award.occurred_at)
    own_dates.require_cycle(batch, account, award.last_day)
    entry = batch.enter(
        account,
        type_="earn",
        points=award.points,
        lifetime_change=award.points,
        reason=award.reason,
        occurred_at=occurred_at,
        change=lot_changes.Earn(occurred_at=occurred_at, last_day=award.last_day),
    )
    manual = ManualEntry(entry, award.customer_id, award.posted_by)
    batch.append(manual)
    return manual
