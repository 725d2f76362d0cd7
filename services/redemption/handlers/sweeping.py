"""The sweeper: brings to an end what a crash or a lost answer left in between."""

import asyncio
from datetime import timedelta
from functools import partial
from typing import Final

from libs.background.periodic import Periodic
from libs.kernel.errors import Unavailable
from libs.kernel.ids import new_id
from libs.observability import logging
from libs.persistence.engine import transaction
from libs.persistence.errors import is_transient
from services.redemption.domain.redemptions import Redemption
from services.redemption.handlers.desk import ActionRequest
from services.redemption.handlers.redeeming import after_cancel, conclude
from services.redemption.handlers.resources import Resources
from services.redemption.store import reading

# The promise is ten seconds after a restart; a request under way is rarely older than this, and one
# that is starts over when it finds itself given up.
_LEFT_ALONE: Final = timedelta(seconds=3)
_LOOK_SECONDS: Final = 0.5
_LONGEST_SECONDS: Final = 2.0
# As many at once as the ledger gathers anyway.
_AT_ONCE: Final = 64

log = logging.get(__name__)


def sweeping(resources: Resources) -> Periodic:
    """Settles what is due, twice a second; an unavailable store or ledger is retried."""
    return Periodic(
        "settle_redemptions",
        partial(sweep, resources),
        every_seconds=_LOOK_SECONDS,
        is_transient=lambda error: isinstance(error, Unavailable) or is_transient(error),
        longest_delay_seconds=_LONGEST_SECONDS,
    )


async def sweep(resources: Resources) -> bool:
    """Settle what is due now; answers whether there may be more. Raises what the first to fail
    raised, after the others had their turn."""
    async with transaction(resources.reads) as connection:
        found = await reading.unsettled(connection, older_than=_LEFT_ALONE, limit=_AT_ONCE)
    outcomes = await asyncio.gather(
        *(_settle(resources, one) for one in found), return_exceptions=True
    )
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome
    return len(found) == _AT_ONCE


async def _settle(resources: Resources, redemption: Redemption) -> None:
    request_id = new_id("req")
    if redemption.status == "reserved":
        debited = await resources.peers.settle(redemption, request_id)
        await conclude(resources, redemption, debited)
    else:
        answer = await resources.peers.cancel(redemption, request_id)
        await resources.group_commit.submit(ActionRequest(after_cancel(redemption, answer)))
    log.info("settled", redemption=str(redemption.id), was=redemption.status)
