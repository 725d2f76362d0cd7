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
from services.redemption.store import desk as redemptions_db

Render = Callable[[Redemption], StoredResponse]

# The states of a redemption while a write that started with the action is in progress or done. In
# any other state, the write was refused.
_IN_PROGRESS: Final[dict[type, frozenset[str]]] = {
    Reserve: frozenset({"reserved", "confirmed", "used", "cancelling", "cancelled"}),
    BeginCancel: frozenset({"cancelling", "cancelled"}),
}

# The responses and claims to store, by store and key.
NewResponses = dict[tuple[str, str], tuple[Claim, StoredResponse]]


class ActionRequest(Struct, frozen=True):
    """An action, and the idempotency key that it claims. With `render` the response is stored under
    the key. Without it the key names the redemption, because the response comes later."""

    action: Action
    claim: Claim | None = None
    render: Render | None = None


class ActionResult(Struct, frozen=True):
    """The redemption after the action, the stored response, or both; `replayed` where an earlier
    request had the key."""

    redemption: Redemption | None = None
    response: StoredResponse | None = None
    replayed: bool = False


async def apply(
    engine: AsyncEngine, requests: Sequence[ActionRequest]
) -> list[ActionResult | Exception]:
    """Carry out all actions in one transaction, in order; returns a result or refusal for each. A
    refusal does not affect the other actions. Raises what the database raises, and then nothing was
    done."""
    return await retry_lost_race(partial(_attempt, engine, requests))


async def _attempt(
    engine: AsyncEngine, requests: Sequence[ActionRequest]
) -> list[ActionResult | Exception]:
    actions = [request.action for request in requests]
    async with transaction(engine) as connection:
        stored = await idempotency.find(
            connection, [request.claim for request in requests if request.claim is not None]
        )
        known = await redemptions_db.read(
            connection,
            reserves=[action for action in actions if isinstance(action, Reserve)],
            steps=[action for action in actions if not isinstance(action, Reserve)],
            claimed=[
                UUID(bytes=response.body)
                for _, response in stored.responses.values()
                if response.is_in_progress
            ],
        )
        desk = Desk(known)
        new: NewResponses = {}
        results = [_apply(desk, request, stored, known.redemptions, new) for request in requests]
        await redemptions_db.write(connection, desk)
        await idempotency.store(connection, list(new.values()))
    return results


def _apply(
    desk: Desk,
    request: ActionRequest,
    stored: StoredResponses,
    redemptions: Mapping[UUID, Redemption],
    new: NewResponses,
) -> ActionResult | Exception:
    """Carry out one action; adds its response or claim to `new`."""
    try:
        earlier = None if request.claim is None else stored.response_to(request.claim)
        if earlier is not None:
            return _replay(earlier, request.action, redemptions)
        redemption = desk.apply(request.action)
    except (WhaleError, UnknownReward) as refusal:
        return refusal
    if isinstance(request.action, Release | AbandonCancel):
        _release_claims(redemption, stored, new)
    response = None if request.render is None else request.render(redemption)
    if request.claim is not None:
        entry = response or in_progress(redemption.id.bytes)
        stored.remember(request.claim, entry)
        new[request.claim.store_id, request.claim.key] = (request.claim, entry)
    return ActionResult(redemption=redemption, response=response)


def _replay(
    earlier: StoredResponse, action: Action, redemptions: Mapping[UUID, Redemption]
) -> ActionResult:
    if not earlier.is_in_progress:
        return ActionResult(response=earlier, replayed=True)
    redemption = redemptions[UUID(bytes=earlier.body)]
    if redemption.status not in _IN_PROGRESS[type(action)]:
        # The write was refused after its key was read, which released the key: read it again.
        raise ConcurrentWrite
    return ActionResult(redemption=redemption, replayed=True)


def _release_claims(redemption: Redemption, stored: StoredResponses, new: NewResponses) -> None:
    """The writes that claimed these keys were refused: later requests of the batch may use the keys."""
    for place, (_, response) in list(stored.responses.items()):
        names_it = response.is_in_progress and response.body == redemption.id.bytes
        redeemed_it = redemption.status != "released" and place[1] == redemption.claim_key
        if names_it and redemption.status in {"released", "confirmed"} and not redeemed_it:
            stored.forget(*place)
            new.pop(place, None)
