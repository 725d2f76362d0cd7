"""Dates of their own: the last day that a caller gives to points. docs/rules/expiry.md."""

from typing import Final

from libs.kernel.errors import Fault, InvalidRequest
from services.earning.domain.accounts import Account
from services.earning.domain.batch import LedgerBatch
from services.earning.domain.dates import NEVER, Day, add_months, to_date
from services.earning.domain.due import start_cycle

_MAX_MONTHS: Final = 120
_POINTER: Final = "#/expires_on"


def check(batch: LedgerBatch, store_id: str, last_day: Day | None) -> None:
    """Raise InvalidRequest for a date before today or more than ten years ahead, by the store's clock and
    zone. None and NEVER are no dates."""
    if last_day is None or last_day == NEVER:
        return
    timeline = batch.timelines[store_id]
    today = timeline.epochs[-1].day(timeline.now)
    latest = add_months(today, _MAX_MONTHS)
    if not today <= last_day <= latest:
        rule = f"must be a date from {to_date(today)}, today in the store, to {to_date(latest)}"
        fault = Fault(pointer=_POINTER, detail=rule)
        raise InvalidRequest(f"{_POINTER}: {rule}.", errors=[fault])


def require_cycle(batch: LedgerBatch, account: Account, last_day: Day | None) -> None:
    """Give the account a cycle, if the points have a date of their own."""
    if last_day is not None:
        start_cycle(batch, account)
