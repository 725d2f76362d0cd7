"""Reservations and their debits: what the ledger decided is recorded before anybody reads or changes it.

The response to redeeming does not wait for the confirmation, which follows with the ledger's event. In
between, only the ledger knows of the debit, so a request that meets a reservation asks the ledger.
docs/adr/0022-a-redemption-is-confirmed-by-its-event.md.
"""

import asyncio
from collections.abc import Sequence
from typing import Final

from libs.contracts.internal import DebitState
from libs.kernel.caller import Caller
from libs.kernel.errors import Unavailable
from services.redemption.domain.redemptions import Confirm, Debit, Redemption, Release
from services.redemption.handlers.desk import ActionRequest, ActionResult
from services.redemption.handlers.resources import Resources

# Of one store, a read looks at no more. Usually there are as many as are redeemed in a fifth of a second.
MAX_RESERVATIONS: Final = 5_000
# What one question to the ledger and one transaction here may contain.
_BATCH: Final = 1_000
# A read waits no longer for the ledger: then it is unavailable.
_READ_SECONDS: Final = 3.0


async def confirm_debited(
    resources: Resources, reservations: Sequence[Redemption], caller: Caller
) -> list[Redemption]:
    """Confirm those reservations of one store that the ledger has debited; returns them as they are
    afterwards. Raises Unavailable where the ledger does not respond."""
    confirmed: list[Redemption] = []
    for start in range(0, len(reservations), _BATCH):
        batch = reservations[start : start + _BATCH]
        debits = await resources.ledger.find_debits(batch[0].store_id, batch, caller)
        confirmed += await asyncio.gather(
            *(
                confirm(resources, redemption, debits[redemption.id])
                for redemption in batch
                if redemption.id in debits
            )
        )
    return confirmed


async def confirm_for_reading(
    resources: Resources, reservations: Sequence[Redemption], caller: Caller
) -> list[Redemption]:
    """The same for a read: without the ledger nobody knows more than that they are reserved."""
    try:
        async with asyncio.timeout(_READ_SECONDS):
            return await confirm_debited(resources, reservations, caller)
    except (Unavailable, TimeoutError):
        return []


async def conclude_reservation(
    resources: Resources, redemption: Redemption, caller: Caller
) -> Redemption:
    """The redemption, confirmed if the ledger has debited it. Raises Unavailable where the ledger does
    not respond."""
    if redemption.status != "reserved":
        return redemption
    confirmed = await confirm_debited(resources, [redemption], caller)
    return confirmed[0] if confirmed else redemption


async def settle(resources: Resources, redemption: Redemption, debit_state: DebitState) -> None:
    """Confirm the reservation if the ledger debited it; release it if the ledger never will."""
    debit = debit_of(debit_state)
    if debit is None:
        await release(resources, redemption)
    else:
        await confirm(resources, redemption, debit)


async def confirm(resources: Resources, redemption: Redemption, debit: Debit) -> Redemption:
    """Record the debit of a reservation; returns the redemption as it is afterwards."""
    action = Confirm(
        id=redemption.id,
        store_id=redemption.store_id,
        reward_id=redemption.reward_id,
        debit=debit,
    )
    return redemption_in(await resources.group_commit.submit(ActionRequest(action)))


async def release(resources: Resources, redemption: Redemption) -> None:
    """Release a reservation that the ledger refused to debit."""
    action = Release(id=redemption.id, store_id=redemption.store_id, reward_id=redemption.reward_id)
    await resources.group_commit.submit(ActionRequest(action))


def debit_of(debit_state: DebitState) -> Debit | None:
    """The debit in the ledger's response; None if there is none and never will be."""
    entry = debit_state.transaction
    return None if entry is None else Debit(entry.id, entry.balance_after, entry.created_at)


def redemption_in(result: ActionResult) -> Redemption:
    """The redemption after the action, which has no stored response of its own."""
    assert result.redemption is not None
    return result.redemption
