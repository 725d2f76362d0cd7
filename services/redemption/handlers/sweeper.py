"""The sweeper: settles redemptions that a crash or a lost response left reserved or cancelling."""

import asyncio
from datetime import timedelta
from functools import partial
from typing import Final

from libs.background.periodic import Periodic
from libs.kernel.caller import Caller
from libs.kernel.errors import Unavailable
from libs.kernel.ids import new_id
from libs.observability import logging
from libs.persistence.engine import transaction
from libs.persistence.errors import is_transient
from services.redemption.domain.redemptions import Redemption
from services.redemption.handlers.desk import ActionRequest
from services.redemption.handlers.redemptions import end_cancel
from services.redemption.handlers.reservations import settle
from services.redemption.handlers.resources import Resources
from services.redemption.store import redemptions

# The API promises an outcome within ten seconds of a restart. A request in progress is rarely older
# than this; one that is starts over when it finds its reservation released.
_MIN_AGE: Final = timedelta(seconds=3)
_EVERY_SECONDS: Final = 0.5
_LONGEST_DELAY_SECONDS: Final = 2.0
# The ledger posts so many in one transaction anyway.
_MAX_CONCURRENT: Final = 64

log = logging.get(__name__)


def sweeper(resources: Resources) -> Periodic:
    """Settles what is due, twice a second; an unavailable database or ledger is retried."""
    return Periodic(
        "settle_redemptions",
        partial(settle_due, resources),
        every_seconds=_EVERY_SECONDS,
        is_transient=lambda error: isinstance(error, Unavailable) or is_transient(error),
        longest_delay_seconds=_LONGEST_DELAY_SECONDS,
    )


async def settle_due(resources: Resources) -> bool:
    """Settle what is due now; returns whether there may be more. Raises the first failure after all
    others have been settled."""
    async with transaction(resources.read_engine) as connection:
        due = await redemptions.find_unsettled(
            connection, older_than=_MIN_AGE, limit=_MAX_CONCURRENT
        )
    outcomes = await asyncio.gather(
        *(_settle(resources, redemption) for redemption in due), return_exceptions=True
    )
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome
    return len(due) == _MAX_CONCURRENT


async def _settle(resources: Resources, redemption: Redemption) -> None:
    caller = Caller(key_id="sweeper", key_name="sweeper", request_id=new_id("req"))
    if redemption.status == "reserved":
        await settle(resources, redemption, await resources.ledger.settle(redemption, caller))
    else:
        outcome = await resources.ledger.cancel(redemption, caller)
        await resources.group_commit.submit(ActionRequest(end_cancel(redemption, outcome)))
    log.info("redemption_settled", redemption=redemption.public_id, status_before=redemption.status)
