"""What the redemption service asks of the ledger: debit, settle, cancel, and whether one could."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from libs.contracts import api, internal
from libs.kernel.clock import utc_now
from libs.kernel.errors import InsufficientPoints, NotFound, RewardUnavailable, WhaleError
from libs.persistence.engine import snapshot
from libs.persistence.group_commit import GroupCommit
from libs.persistence.idempotency import StoredResponse
from services.earning.domain.accounts import Account
from services.earning.domain.postings import Cancellation, Debit, DebitRecord, Settlement
from services.earning.domain.programs import StorePrograms
from services.earning.domain.redeeming import refusal
from services.earning.handlers import render
from services.earning.handlers.posting import PostingRequest, PostingResult, Result
from services.earning.store import programs, reading


async def debit(
    group_commit: GroupCommit[PostingRequest, PostingResult],
    store_id: str,
    asked: internal.DebitRequest,
) -> StoredResponse:
    """Take the price; answers the transaction, the same one whenever it is asked again."""
    posting = Debit(
        store_id=store_id,
        customer_id=asked.customer_id,
        redemption_id=asked.redemption_id,
        points=asked.points,
        reward=asked.reward,
        min_tier=asked.min_tier,
        occurred_at=utc_now(),
    )
    return await _post(group_commit, PostingRequest([posting], render=_debited))


async def settle(
    group_commit: GroupCommit[PostingRequest, PostingResult],
    store_id: str,
    asked: internal.RedemptionRequest,
) -> StoredResponse:
    """Whether the redemption was debited; from now on that is so for ever."""
    posting = Settlement(
        store_id=store_id, customer_id=asked.customer_id, redemption_id=asked.redemption_id
    )
    return await _post(group_commit, PostingRequest([posting], render=_debited))


async def cancel(
    group_commit: GroupCommit[PostingRequest, PostingResult],
    store_id: str,
    asked: internal.RedemptionRequest,
) -> StoredResponse:
    """Give the points back, once."""
    posting = Cancellation(
        store_id=store_id,
        customer_id=asked.customer_id,
        redemption_id=asked.redemption_id,
        occurred_at=utc_now(),
    )
    return await _post(group_commit, PostingRequest([posting], render=_debited))


async def check_prices(
    engine: AsyncEngine, store_id: str, asked: internal.PriceCheck
) -> internal.PriceAnswer:
    """What a debit of each price would be refused for now; raises NotFound for an unknown customer."""
    async with snapshot(engine) as connection:
        row = await reading.account(connection, store_id, asked.customer_id)
        in_force = (await programs.read(connection, [store_id])).get(store_id, StorePrograms())
    if row is None:
        raise NotFound("There is no such customer in this store.")
    account = _account(row, store_id)
    found = [
        refusal(account, in_force, points=price.points, min_tier=price.min_tier)
        for price in asked.prices
    ]
    return internal.PriceAnswer(refusals=[_told(one) for one in found])


def _account(row: Any, store_id: str) -> Account:
    return Account(
        store_id=store_id,
        customer_id=row["customer_id"],
        member_since=row["member_since"],
        balance=row["balance"],
        lifetime=row["lifetime"],
        suspended=row["suspended"],
    )


def _told(error: WhaleError | None) -> internal.Refusal | None:
    match error:
        case None:
            return None
        case RewardUnavailable():
            return internal.Refusal(code=error.code, reason=str(error.extra["reason"]))
        case InsufficientPoints(extra={"missing": int(missing)}):
            return internal.Refusal(code=error.code, missing=missing)
        case _:
            return internal.Refusal(code=error.code)


async def _post(
    group_commit: GroupCommit[PostingRequest, PostingResult], work: PostingRequest
) -> StoredResponse:
    done = await group_commit.submit(work)
    assert done.answer is not None
    return done.answer


def _debited(results: Sequence[Result]) -> StoredResponse:
    (result,) = results
    if isinstance(result, WhaleError):
        raise result
    assert isinstance(result, DebitRecord)
    shown = None if result.entry is None else render.transaction(result.entry)
    answer = internal.Debited(transaction=shown, cancelled=result.state == "cancelled")
    return StoredResponse(200, api.encode(answer))
