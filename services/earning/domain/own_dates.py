"""Dates of their own: the last day that a caller gives to points. docs/rules/expiry.md."""

from typing import Final

from libs.kernel.errors import Fault, InvalidRequest
from services.earning.domain.accounts import Account
from services.earning.domain.batch import LedgerBatch
from services.earning.domain.dates import NEVER, Day, add_months
from services.earning.domain.due import start_cycle

_MAX_MONTHS: Final = 120


def require_cycle(batch: LedgerBatch, account: Account, last_day: Day) -> None:
    """Give the account a cycle, for points with that date of their own. Raises InvalidRequest for a date
    before today or more than ten years ahead, by the store's clock and zone."""
    state = start_cycle(batch, account)
    assert state is not None
    if last_day != NEVER and not state.today <= last_day <= add_months(state.today, _MAX_MONTHS):
        fault = Fault(pointer="#/expires_on", detail="must be a date from today to ten years ahead")
        raise InvalidRequest("The date is out of bounds.", errors=[fault])
