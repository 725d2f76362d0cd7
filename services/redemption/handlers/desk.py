"""The one path by which redemptions change: batches of actions, each in one transaction."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final
from uuid import UUID

from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncEngine

from libs.kernel.errors import WhaleError
from libs.persistence import idempotency
from libs.persistence.engine import transaction
from libs.persistence.errors import ConcurrentWrite
from libs.persistence.idempotency import Claim, StoredResponse, StoredResponses, in_progress
from libs.persistence.retry import retry_lost_race
from services.redemption.domain.desk import Desk, UnknownReward
from services.redemption.domain.redemptions import (
    AbandonCancel,
    Action,
    BeginCancel,
    Redemption,
    Release,
    Reserve,
)
from services.redemption.store import desk as store

# Where these have begun a write and left the redemption in another state, the write was refused.
_LEAVES: Final[dict[type, frozenset[str]]] = {
    Reserve: frozenset({"reserved", "confirmed", "used", "cancelling", "cancelled"}),
    BeginCancel: frozenset({"cancelling", "cancelled"}),
}

# What is to be kept, by store and key.
Fresh = dict[tuple[str, str], tuple[Claim, StoredResponse]]


class ActionRequest(Struct, frozen=True):
    """An action, and the key it claims. With `render` the answer is kept under the key; without it
    the key names the redemption, since the answer comes later."""

    action: Action
    claim: Claim | None = None
    render: Callable[[Redemption], StoredResponse] | None = None


class ActionResult(Struct, frozen=True):
    """The redemption as the action left it, or the answer that was kept; `replayed` where an
    earlier request had the key."""

    redemption: Redemption | None = None
    answer: StoredResponse | None = None
    replayed: bool = False


async def apply(
    engine: AsyncEngine, works: Sequence[ActionRequest]
) -> list[ActionResult | Exception]:
    """Take all actions in one transaction, in order, and answer each; a refusal costs the others
    nothing. Raises what the database raises; then nothing was done."""
    return await retry_lost_race(partial(_attempt, engine, works))


async def _attempt(
    engine: AsyncEngine, works: Sequence[ActionRequest]
) -> list[ActionResult | Exception]:
    actions = [work.action for work in works]
    async with transaction(engine) as connection:
        kept = await idempotency.find(
            connection, [work.claim for work in works if work.claim is not None]
        )
        known = await store.read(
            connection,
            reserves=[one for one in actions if isinstance(one, Reserve)],
            steps=[one for one in actions if not isinstance(one, Reserve)],
            named=[
                UUID(bytes=answer.body)
                for _, answer in kept.responses.values()
                if answer.is_in_progress
            ],
        )
        desk = Desk(known)
        fresh: Fresh = {}
        done = [_take(desk, work, kept, known.redemptions, fresh) for work in works]
        await store.write(connection, desk)
        await idempotency.store(connection, list(fresh.values()))
    return done


def _take(
    desk: Desk,
    work: ActionRequest,
    kept: StoredResponses,
    redemptions: Mapping[UUID, Redemption],
    fresh: Fresh,
) -> ActionResult | Exception:
    """One action's outcome; what is to be kept goes into `fresh`."""
    try:
        before = None if work.claim is None else kept.response_to(work.claim)
        if before is not None:
            return _replay(before, work.action, redemptions)
        redemption = desk.apply(work.action)
    except (WhaleError, UnknownReward) as refusal:
        return refusal
    if isinstance(work.action, Release | AbandonCancel):
        _forget(redemption, kept, fresh)
    answer = None if work.render is None else work.render(redemption)
    if work.claim is not None:
        kept_answer = answer or in_progress(redemption.id.bytes)
        kept.remember(work.claim, kept_answer)
        fresh[work.claim.store_id, work.claim.key] = (work.claim, kept_answer)
    return ActionResult(redemption=redemption, answer=answer)


def _replay(
    before: StoredResponse, action: Action, redemptions: Mapping[UUID, Redemption]
) -> ActionResult:
    if not before.is_in_progress:
        return ActionResult(answer=before, replayed=True)
    redemption = redemptions[UUID(bytes=before.body)]
    if redemption.status not in _LEAVES[type(action)]:
        # It was refused after the key was read, which freed the key: look again.
        raise ConcurrentWrite
    return ActionResult(redemption=redemption, replayed=True)


def _forget(redemption: Redemption, kept: StoredResponses, fresh: Fresh) -> None:
    """What was begun with these keys was refused: they are free for the rest of the batch too."""
    for place, (_, answer) in list(kept.responses.items()):
        begun_here = answer.is_in_progress and answer.body == redemption.id.bytes
        stands = redemption.status != "released" and place[1] == redemption.claim_key
        if begun_here and redemption.status in {"released", "confirmed"} and not stands:
            kept.forget(*place)
            fresh.pop(place, None)
