"""Adjustments: manual corrections of a balance, up or down."""

from datetime import datetime

from libs.kernel.errors import InsufficientPoints, NotFound
from services.earning.domain import lot_changes, own_dates
from services.earning.domain.accounts import ManualEntry
from services.earning.domain.batch import LedgerBatch
from services.earning.domain.dates import Day
from services.earning.domain.postings import Posting


class Adjustment(Posting, frozen=True, kw_only=True, gc=False):
    """A manual correction: `points` is signed; the lifetime stays the same. `posted_by` is the key's
    name. `last_day` is a date of added points as in an award."""

    points: int
    reason: str
    occurred_at: datetime
    posted_by: str
    last_day: Day | None = None


def post_adjustment(batch: LedgerBatch, adjustment: Adjustment) -> ManualEntry:
    """Change the balance and leave the lifetime, also without an active program and for a suspended
    account. Raises NotFound, InsufficientPoints, Conflict, or InvalidRequest for a date out of bounds."""
    own_dates.check(batch, adjustment.store_id, adjustment.last_day)
    account = batch.account(adjustment.store_id, adjustment.customer_id)
    if adjustment.points < 0:
        if not account.exists:
            raise NotFound("There is no such customer in this store.")
        if account.balance + adjustment.points < 0:
            raise InsufficientPoints(balance=account.balance, required=-adjustment.points)
    own_dates.require_cycle(batch, account, adjustment.last_day)
    entry = batch.enter(
        account,
        type_="adjust",
        points=adjustment.points,
        lifetime_change=0,
        reason=adjustment.reason,
        occurred_at=batch.time_of(adjustment.store_id, adjustment.occurred_at),
        change=lot_changes.draw(is_activity=False)
        if adjustment.points < 0
        else lot_changes.add(last_day=adjustment.last_day),
    )
    manual = ManualEntry(entry, adjustment.customer_id, adjustment.posted_by)
    batch.append(manual)
    return manual
