"""Redeeming, cancelling and using. docs/rules/redemption.md.

Reserve here, debit at the ledger, confirm here. A crash in between leaves a reservation, which the
next try with the same key completes, or the sweeper settles.
"""

from typing import Final

from msgspec.structs import replace

from libs.contracts.events import RewardChanged
from libs.contracts.internal import Debited
from libs.contracts.rewards import RedeemRequest
from libs.kernel.clock import utc_now
from libs.kernel.errors import NotFound, Unavailable, WhaleError
from libs.kernel.ids import normalized, parse_id, uuid7
from libs.persistence import idempotency
from libs.persistence.engine import transaction
from libs.persistence.idempotency import Claim, StoredResponse
from services.redemption.domain import codes
from services.redemption.domain.desk import UnknownReward
from services.redemption.domain.redemptions import (
    AbandonCancel,
    BeginCancel,
    Confirm,
    Debit,
    FinishCancel,
    Redemption,
    Release,
    Reserve,
    Use,
)
from services.redemption.handlers import render
from services.redemption.handlers.desk import ActionRequest, ActionResult
from services.redemption.handlers.resources import Resources
from services.redemption.store import reading, rewards

# A reservation that was given up while its debit was on its way is made again. It takes a stall of
# seconds to lose one, so a handful in a row is a ledger in trouble.
_TRIES: Final = 5
_NO_REWARD: Final = "There is no such reward in this store."
_NO_REDEMPTION: Final = "There is no such redemption in this store."


async def redeem(
    resources: Resources,
    store_id: str,
    asked: RedeemRequest,
    claim: Claim | None,
    request_id: str,
) -> StoredResponse:
    """Redeem a reward; answers the transaction, and whether an earlier request had the key.

    Raises the refusals of the API, each of which changed nothing, and Unavailable where the outcome
    is not known yet: it is settled soon, and the same key gets it.
    """
    for _ in range(_TRIES):
        done = await _reserve(resources, store_id, asked, claim)
        redemption = done.redemption
        # The key may stand for another kind of write, whose answer was kept.
        if redemption is None:
            assert done.answer is not None
            return done.answer
        if redemption.status == "reserved":
            completed = await _complete(resources, redemption, request_id)
            if completed is None:
                continue
            redemption = completed
        if redemption.debit is not None:
            return replace(render.redeemed(redemption), replayed=done.replayed)
    raise Unavailable("The redemption could not be settled. Try again in a moment.")


async def _reserve(
    resources: Resources, store_id: str, asked: RedeemRequest, claim: Claim | None
) -> ActionResult:
    reserve = Reserve(
        id=uuid7(),
        store_id=store_id,
        customer_id=normalized(asked.customer_id),
        reward_id=asked.reward_id,
        points_cost=asked.points_cost,
        code=codes.new_code(),
        claim_key=None if claim is None else claim.key,
        now=utc_now(),
    )
    try:
        return await resources.group_commit.submit(ActionRequest(reserve, claim))
    except UnknownReward:
        await _learn(resources, store_id, asked.reward_id)
        return await resources.group_commit.submit(ActionRequest(reserve, claim))


async def _learn(resources: Resources, store_id: str, reward_id: str) -> None:
    """Ask the catalog for a reward that was never heard of here; raises NotFound."""
    found = await resources.peers.find_reward(store_id, reward_id)
    if found is None:
        raise NotFound(_NO_REWARD)
    await keep_rewards(resources, [found])


async def keep_rewards(resources: Resources, events: list[RewardChanged]) -> None:
    """Keep versions of rewards, those that are new."""
    async with transaction(resources.batches) as connection:
        await rewards.keep(connection, events)


async def _complete(
    resources: Resources, redemption: Redemption, request_id: str
) -> Redemption | None:
    """Debit and confirm what is reserved; None where it was given up meanwhile. Raises the ledger's
    refusal, the reservation being released."""
    answer = await resources.peers.debit(redemption, request_id)
    if isinstance(answer, WhaleError):
        await _release(resources, redemption)
        raise answer
    return await conclude(resources, redemption, answer)


async def conclude(
    resources: Resources, redemption: Redemption, debited: Debited
) -> Redemption | None:
    """Confirm a reservation that the ledger debited; release one that it never will, which is
    None."""
    transaction_ = debited.transaction
    if transaction_ is None:
        await _release(resources, redemption)
        return None
    debit = Debit(transaction_.id, transaction_.balance_after, transaction_.created_at)
    confirm = Confirm(
        id=redemption.id,
        store_id=redemption.store_id,
        reward_id=redemption.reward_id,
        debit=debit,
    )
    return _redemption_in(await resources.group_commit.submit(ActionRequest(confirm)))


async def _release(resources: Resources, redemption: Redemption) -> None:
    release = Release(
        id=redemption.id, store_id=redemption.store_id, reward_id=redemption.reward_id
    )
    await resources.group_commit.submit(ActionRequest(release))


async def cancel(
    resources: Resources, store_id: str, text: str, claim: Claim | None, request_id: str
) -> StoredResponse:
    """Give the points back and the reward; once, however often it is asked. Raises NotFound, or
    Conflict where its state forbids it."""
    before = await _stored_response(resources, claim)
    if before is not None:
        return before
    found = await _find(resources, store_id, text)
    begin = BeginCancel(id=found.id, store_id=store_id, reward_id=found.reward_id)
    # The first effect carries the claim: nobody can use it, nor another request the key, from now on.
    done = await resources.group_commit.submit(ActionRequest(begin, claim))
    redemption = _redemption_in(done)
    if redemption.status == "cancelling":
        answer = await resources.peers.cancel(redemption, request_id)
        step = after_cancel(redemption, answer)
        redemption = _redemption_in(await resources.group_commit.submit(ActionRequest(step)))
        if isinstance(answer, WhaleError):
            raise answer
    return replace(render.answered(redemption), replayed=done.replayed)


def after_cancel(
    redemption: Redemption, answer: Debited | WhaleError
) -> FinishCancel | AbandonCancel:
    """What follows from the ledger's answer: the points are back, or cannot be given back."""
    kind = AbandonCancel if isinstance(answer, WhaleError) else FinishCancel
    return kind(id=redemption.id, store_id=redemption.store_id, reward_id=redemption.reward_id)


async def use(
    resources: Resources, store_id: str, text: str, claim: Claim | None
) -> StoredResponse:
    """The shop honoured it. Raises NotFound, or Conflict where its state forbids it."""
    before = await _stored_response(resources, claim)
    if before is not None:
        return before
    found = await _find(resources, store_id, text)
    step = Use(id=found.id, store_id=store_id, reward_id=found.reward_id)
    done = await resources.group_commit.submit(ActionRequest(step, claim, render.answered))
    assert done.answer is not None
    return done.answer


async def _stored_response(resources: Resources, claim: Claim | None) -> StoredResponse | None:
    """What an earlier request with the key was answered; asked before anything is done. None where
    it is still under way: then this one goes on with it."""
    if claim is None:
        return None
    async with transaction(resources.batches) as connection:
        before = (await idempotency.find(connection, [claim])).response_to(claim)
    return None if before is None or before.is_in_progress else before


async def _find(resources: Resources, store_id: str, text: str) -> Redemption:
    async with transaction(resources.batches) as connection:
        found = await reading.redemption(connection, store_id, parse_id("rdm", text))
    if found is None:
        raise NotFound(_NO_REDEMPTION)
    return found


def _redemption_in(done: ActionResult) -> Redemption:
    assert done.redemption is not None
    return done.redemption
