"""The sweeper: brings to an end what a crash or a lost answer left in between."""

import asyncio
from datetime import timedelta
from typing import Final

from libs.kernel.errors import Unavailable
from libs.kernel.ids import new_id
from libs.messaging.backoff import delays
from libs.observability import logging
from libs.persistence.engine import transaction
from libs.persistence.errors import is_transient
from services.redemption.domain.redemptions import Redemption
from services.redemption.handlers.desk import Work
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


async def keep_sweeping(resources: Resources) -> None:
    """Sweep, again and again, until cancelled. A store or a ledger that is away is waited for."""
    waiting = delays(longest=_LONGEST_SECONDS)
    while True:
        try:
            more = await sweep(resources)
            waiting = delays(longest=_LONGEST_SECONDS)
        except Exception as error:
            if not isinstance(error, Unavailable) and not is_transient(error):
                log.exception("not_settled")
            await asyncio.sleep(next(waiting))
            continue
        if not more:
            await asyncio.sleep(_LOOK_SECONDS)


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
        await resources.gatherer.submit(Work(after_cancel(redemption, answer)))
    log.info("settled", redemption=str(redemption.id), was=redemption.status)
