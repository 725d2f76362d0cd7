"""Redeem, cancel and use a reward; read redemptions. docs/rules/redemption.md.

A saga over two services: reserve here, debit at the ledger, and confirm here with the ledger's event.
Until then a read, a use or a cancellation asks the ledger (handlers/reservations.py). A crash in between
leaves a reservation, which the next request with the same key completes, or the sweeper settles.
"""

import secrets
from typing import Final

from msgspec.structs import replace

from libs.contracts.internal import DebitState
from libs.contracts.rewards import RedeemRequest, UseRequest
from libs.kernel.caller import Caller
from libs.kernel.clock import utc_now
from libs.kernel.errors import NotFound, Unavailable, WhaleError
from libs.kernel.ids import normalize_customer_id, parse_id, uuid7
from libs.persistence import stored_responses
from libs.persistence.engine import snapshot, transaction
from libs.persistence.idempotency import Claim, StoredResponse
from libs.persistence.pages import Listed, Page, unknown_cursor
from libs.persistence.writes import Write
from services.redemption.domain import codes
from services.redemption.domain.desk import UnknownReward
from services.redemption.domain.redemptions import (
    AbandonCancel,
    BeginCancel,
    Debit,
    FinishCancel,
    Redemption,
    Reserve,
    Use,
)
from services.redemption.handlers import rewards
from services.redemption.handlers.desk import ActionRequest, ActionResult, Render
from services.redemption.handlers.reservations import (
    MAX_RESERVATIONS,
    conclude_reservation,
    confirm_for_reading,
    debit_of,
    redemption_in,
    release,
)
from services.redemption.handlers.resources import Resources
from services.redemption.store import redemptions
from services.redemption.store.redemptions import RedemptionFilter

# If the sweeper releases a reservation while its debit is in flight, the reward is reserved again. This
# can happen only if the debit is delayed by several seconds; if it happens repeatedly, the ledger is in
# trouble.
_ATTEMPTS: Final = 5
_NOT_FOUND: Final = "There is no such redemption in this store."
_UNKNOWN_CODE: Final = "No redemption in this store has this code."
_NOT_A_CODE: Final = (
    "This is not a code: a character is wrong or missing. A code has 16 letters and digits, such as "
    "7Q4M-Z0XK-B8TC-2HVR."
)


async def get(
    resources: Resources, store_id: str, redemption_id: str, caller: Caller
) -> Redemption:
    """The redemption with this id. Raises NotFound."""
    async with snapshot(resources.read_engine) as connection:
        redemption = await redemptions.find(connection, store_id, parse_id("rdm", redemption_id))
    if redemption is None:
        raise NotFound(_NOT_FOUND)
    if redemption.status == "reserved":
        confirmed = await confirm_for_reading(resources, [redemption], caller)
        return confirmed[0] if confirmed else redemption
    return redemption


async def list_page(
    resources: Resources, criteria: RedemptionFilter, page: Page, caller: Caller
) -> Listed[Redemption]:
    """A page of the store's redemptions, newest first. Raises InvalidRequest where `starting_after` is
    not one of them."""
    if criteria.code is not None:
        code = codes.read_code(criteria.code)
        if code is None:
            return Listed([], has_more=False, counted=0)
        criteria = replace(criteria, code=code)
    await _confirm_listed(resources, criteria, caller)
    async with resources.slow_reads.snapshot(criteria.store_id) as connection:
        after = None
        if page.starting_after is not None:
            after = parse_id("rdm", page.starting_after)
            cursor = await redemptions.find(connection, criteria.store_id, after)
            if (
                cursor is None
                or criteria.customer_id not in {None, cursor.customer_id}
                or criteria.reward_id not in {None, cursor.reward_id}
            ):
                raise unknown_cursor("a redemption")
        return await redemptions.read_page(connection, criteria, limit=page.limit, after=after)


async def _confirm_listed(resources: Resources, criteria: RedemptionFilter, caller: Caller) -> None:
    """Confirm the debited reservations among what is listed, so that the list's filter and total count
    them."""
    async with snapshot(resources.read_engine) as connection:
        reservations = await redemptions.find_reservations(
            connection, criteria, limit=MAX_RESERVATIONS
        )
    if len(reservations) == MAX_RESERVATIONS:
        raise Unavailable("Too many redemptions are in progress. Try again in a moment.")
    if reservations:
        await confirm_for_reading(resources, reservations, caller)


async def redeem(
    resources: Resources, write: Write[RedeemRequest], render: Render
) -> StoredResponse:
    """Redeem a reward; returns the response, which shows the ledger transaction.

    Raises the refusals of the API, each of which changed nothing, and Unavailable where the outcome is
    not known yet: it is settled soon, and a retry with the same key gets it.
    """
    for _ in range(_ATTEMPTS):
        result = await _reserve(resources, write)
        redemption = redemption_in(result)
        if redemption.status == "reserved":
            debit = await _debit(resources, redemption, write.caller)
            redemption = replace(redemption, debit=debit)
        if redemption.debit is not None:
            return replace(render(redemption), replayed=result.replayed)
    raise Unavailable("The redemption could not be completed yet. Try again in a moment.")


async def _reserve(resources: Resources, write: Write[RedeemRequest]) -> ActionResult:
    reserve = Reserve(
        id=uuid7(),
        store_id=write.store_id,
        customer_id=normalize_customer_id(write.body.customer_id),
        reward_id=write.body.reward_id,
        points_cost=write.body.points_cost,
        code=codes.make_code(secrets.randbits(codes.RANDOM_BITS)),
        claim_key=None if write.claim is None else write.claim.key,
        now=utc_now(),
    )
    try:
        return await resources.group_commit.submit(ActionRequest(reserve, write.claim))
    except UnknownReward:
        await rewards.fetch(resources, write.store_id, write.body.reward_id)
        return await resources.group_commit.submit(ActionRequest(reserve, write.claim))


async def _debit(resources: Resources, redemption: Redemption, caller: Caller) -> Debit | None:
    """Debit a reservation; None where it was released in the meantime. Raises the ledger's refusal
    after releasing the reservation."""
    debit_state = await resources.ledger.debit(redemption, caller)
    if isinstance(debit_state, WhaleError):
        await release(resources, redemption)
        raise debit_state
    debit = debit_of(debit_state)
    if debit is None:
        await release(resources, redemption)
    return debit


async def cancel(
    resources: Resources, write: Write[bytes], redemption_id: str, render: Render
) -> StoredResponse:
    """Return the points to the customer and the reward to its stock, once. Raises NotFound, or Conflict
    if the redemption's state does not allow it."""
    stored = await _find_response(resources, write.claim)
    if stored is not None:
        return stored
    redemption = await _find_concluded(resources, write, redemption_id)
    begin = BeginCancel(
        id=redemption.id, store_id=redemption.store_id, reward_id=redemption.reward_id
    )
    # The first transaction writes the claim: from then on this redemption cannot be used, and no other
    # request can use the key.
    result = await resources.group_commit.submit(ActionRequest(begin, write.claim))
    redemption = redemption_in(result)
    if redemption.status == "cancelling":
        debit_state = await resources.ledger.cancel(redemption, write.caller)
        step = end_cancel(redemption, debit_state)
        redemption = redemption_in(await resources.group_commit.submit(ActionRequest(step)))
        if isinstance(debit_state, WhaleError):
            raise debit_state
    return replace(render(redemption), replayed=result.replayed)


def end_cancel(
    redemption: Redemption, debit_state: DebitState | WhaleError
) -> FinishCancel | AbandonCancel:
    """The last step of a cancellation: the ledger has returned the points, or refuses to."""
    kind = AbandonCancel if isinstance(debit_state, WhaleError) else FinishCancel
    return kind(id=redemption.id, store_id=redemption.store_id, reward_id=redemption.reward_id)


async def use(
    resources: Resources, write: Write[bytes], redemption_id: str, render: Render
) -> StoredResponse:
    """Record that the shop fulfilled the redemption. Raises NotFound, or Conflict if its state
    does not allow it."""
    stored = await _find_response(resources, write.claim)
    if stored is not None:
        return stored
    redemption = await _find_concluded(resources, write, redemption_id)
    return await _use(resources, redemption, write.claim, render)


async def use_code(
    resources: Resources, write: Write[UseRequest], render: Render
) -> StoredResponse:
    """The same for the redemption with a code. The NotFound says whether the code is mistyped."""
    stored = await _find_response(resources, write.claim)
    if stored is not None:
        return stored
    code = codes.read_code(write.body.code)
    if code is None:
        raise NotFound(_NOT_A_CODE)
    async with transaction(resources.write_engine) as connection:
        redemption = await redemptions.find_by_code(connection, write.store_id, code)
    if redemption is None:
        raise NotFound(_UNKNOWN_CODE)
    redemption = await conclude_reservation(resources, redemption, write.caller)
    return await _use(resources, redemption, write.claim, render)


async def _use(
    resources: Resources, redemption: Redemption, claim: Claim | None, render: Render
) -> StoredResponse:
    step = Use(id=redemption.id, store_id=redemption.store_id, reward_id=redemption.reward_id)
    result = await resources.group_commit.submit(ActionRequest(step, claim, render))
    assert result.response is not None
    return result.response


async def _find_response(resources: Resources, claim: Claim | None) -> StoredResponse | None:
    """The response to an earlier request with the key. None if there was no such request, or if its
    write is still in progress; the calling function then starts or continues the write."""
    if claim is None:
        return None
    async with transaction(resources.write_engine) as connection:
        stored = (await stored_responses.find(connection, [claim])).response_to(claim)
    return None if stored is None or stored.is_in_progress else stored


async def _find_concluded(
    resources: Resources, write: Write[bytes], redemption_id: str
) -> Redemption:
    """The redemption, confirmed if it was debited. Raises NotFound, and Unavailable where nobody knows
    whether it was debited."""
    async with transaction(resources.write_engine) as connection:
        redemption = await redemptions.find(
            connection, write.store_id, parse_id("rdm", redemption_id)
        )
    if redemption is None:
        raise NotFound(_NOT_FOUND)
    return await conclude_reservation(resources, redemption, write.caller)
