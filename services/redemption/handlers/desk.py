"""The one path by which redemptions change: batches of actions, each in one transaction."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Final
from uuid import UUID

from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncEngine

from libs.persistence import batch as batches
from libs.persistence import stored_responses
from libs.persistence.batch import BatchRequest, RequestResult
from libs.persistence.engine import Connection
from libs.persistence.errors import ConcurrentWrite
from libs.persistence.idempotency import Claim, StoredResponse
from libs.persistence.stored_responses import StoredResponses
from services.redemption.domain.desk import Desk
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


class _Batch(Struct, frozen=True):
    """What a batch read: the desk, the redemptions it shares with it, and the stored responses."""

    desk: Desk
    redemptions: Mapping[UUID, Redemption]
    stored: StoredResponses


async def apply(
    engine: AsyncEngine, requests: Sequence[ActionRequest]
) -> list[ActionResult | Exception]:
    """Carry out all actions in one transaction, in order; returns a result or refusal for each. A
    refusal does not affect the other actions. Raises what the database raises, and then nothing was
    done."""
    attempts = itertools.count()

    async def load_attempt(
        connection: Connection, requests: Sequence[BatchRequest[Action, Redemption]]
    ) -> tuple[_Batch, StoredResponses]:
        # Only the first batch with a reward needs a second attempt to create its usage.
        return await _load(connection, requests, creates_usage=next(attempts) > 0)

    outcomes = await batches.run(
        engine, list(map(_batch_request, requests)), load=load_attempt, apply=_apply, write=_write
    )
    return [outcome if isinstance(outcome, Exception) else _result(outcome) for outcome in outcomes]


def _batch_request(request: ActionRequest) -> BatchRequest[Action, Redemption]:
    render = request.render
    return BatchRequest(
        [request.action],
        request.claim,
        None if render is None else lambda redemptions: render(*redemptions),
        write_id=request.action.id.bytes,
    )


def _result(outcome: RequestResult) -> ActionResult:
    redemption = next(iter(outcome.results), None)
    return ActionResult(redemption, outcome.response, outcome.replayed)


async def _load(
    connection: Connection,
    requests: Sequence[BatchRequest[Action, Redemption]],
    *,
    creates_usage: bool,
) -> tuple[_Batch, StoredResponses]:
    actions = [action for request in requests for action in request.commands]
    # Before the locks: a claim names a redemption to lock.
    stored = await stored_responses.find(
        connection, [request.claim for request in requests if request.claim is not None]
    )
    known = await redemptions_db.read(
        connection,
        reserves=[action for action in actions if isinstance(action, Reserve)],
        steps=[action for action in actions if not isinstance(action, Reserve)],
        claimed=[UUID(bytes=write_id) for write_id in stored.writes_in_progress],
        creates_usage=creates_usage,
    )
    return _Batch(Desk(known), known.redemptions, stored), stored


async def _write(connection: Connection, batch: _Batch) -> None:
    await redemptions_db.write(connection, batch.desk)


def _apply(
    batch: _Batch,
    request: BatchRequest[Action, Redemption],
    earlier: StoredResponse | None,
) -> list[Redemption]:
    (action,) = request.commands
    if earlier is not None:
        return [_replay(earlier, action, batch.redemptions)]
    redemption = batch.desk.apply(action)
    if isinstance(action, Release | AbandonCancel):
        _release_claims(redemption, batch.stored)
    return [redemption]


def _replay(
    earlier: StoredResponse, action: Action, redemptions: Mapping[UUID, Redemption]
) -> Redemption:
    """The redemption of an earlier request with the key, whose response comes later."""
    redemption = redemptions[UUID(bytes=earlier.body)]
    if redemption.status not in _IN_PROGRESS[type(action)]:
        # The write was refused after its key was read, which released the key: read it again.
        raise ConcurrentWrite
    return redemption


def _release_claims(redemption: Redemption, stored: StoredResponses) -> None:
    """The writes that claimed these keys were refused: later requests of the batch may use the keys. Of
    a redemption that stays, the key of the request that redeemed it stays too."""
    if redemption.status == "released":
        stored.forget_write(redemption.id.bytes)
    elif redemption.status == "confirmed":
        stored.forget_write(redemption.id.bytes, except_key=redemption.claim_key)
