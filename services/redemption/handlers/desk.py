"""The one path by which redemptions change: batches of actions, each in one transaction."""

from collections.abc import Callable, Sequence
from typing import Final
from uuid import UUID

from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncEngine

from libs.kernel.errors import WhaleError
from libs.persistence import idempotency
from libs.persistence.engine import transaction
from libs.persistence.errors import Rival
from libs.persistence.idempotency import Claim, Kept, KeptAnswer
from services.redemption.domain.desk import Desk, UnknownReward
from services.redemption.domain.redemptions import Action, Redemption, Reserve
from services.redemption.store import desk as store

_ATTEMPTS: Final = 5
# What a reservation keeps under its key is no answer yet: it names the redemption.
_NAMES_REDEMPTION: Final = 0


class Work(Struct, frozen=True):
    """An action, and the key it claims. With `render` the answer is kept under the key; a
    reservation keeps its redemption's name there, since its answer comes later."""

    action: Action
    claim: Claim | None = None
    render: Callable[[Redemption], KeptAnswer] | None = None


class Done(Struct, frozen=True):
    """The redemption as the action left it, or the answer that was kept; `replayed` where an
    earlier request had the key."""

    redemption: Redemption | None = None
    answer: KeptAnswer | None = None
    replayed: bool = False


async def act(engine: AsyncEngine, works: Sequence[Work]) -> list[Done | Exception]:
    """Take all actions in one transaction, in order, and answer each; a refusal costs the others
    nothing. Raises what the database raises; then nothing was done."""
    for _ in range(_ATTEMPTS):
        try:
            return await _attempt(engine, works)
        except Rival:
            continue
    raise Rival


async def _attempt(engine: AsyncEngine, works: Sequence[Work]) -> list[Done | Exception]:
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
                for _, answer in kept.answers.values()
                if answer.status == _NAMES_REDEMPTION
            ],
        )
        desk = Desk(known)
        fresh: list[tuple[Claim, KeptAnswer]] = []
        done = [_take(desk, work, kept, known.redemptions, fresh) for work in works]
        await store.write(connection, desk)
        await idempotency.keep(connection, fresh)
    return done


def _take(
    desk: Desk,
    work: Work,
    kept: Kept,
    redemptions: dict[UUID, Redemption],
    fresh: list[tuple[Claim, KeptAnswer]],
) -> Done | Exception:
    """One action's outcome; an answer to be kept goes into `fresh`."""
    try:
        before = None if work.claim is None else kept.answer_to(work.claim)
        if before is not None:
            return _replay(before, redemptions)
        redemption = desk.act(work.action)
    except (WhaleError, UnknownReward) as refusal:
        return refusal
    answer = None if work.render is None else work.render(redemption)
    if work.claim is not None:
        named = KeptAnswer(_NAMES_REDEMPTION, redemption.id.bytes)
        kept.remember(work.claim, answer or named)
        fresh.append((work.claim, answer or named))
    return Done(redemption=redemption, answer=answer)


def _replay(before: KeptAnswer, redemptions: dict[UUID, Redemption]) -> Done:
    if before.status != _NAMES_REDEMPTION:
        return Done(answer=before, replayed=True)
    redemption = redemptions[UUID(bytes=before.body)]
    if redemption.status == "released":
        # It was released after the key was read, which freed the key.
        raise Rival
    return Done(redemption=redemption, replayed=True)
