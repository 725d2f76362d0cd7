"""Internal routes: debits of redemptions, for the redemption service, and the tiers of a store, for the
catalog."""

from collections.abc import Sequence
from typing import Final

from litestar import get, post
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from libs.contracts import api, internal
from libs.kernel.clock import utc_now
from libs.kernel.errors import InsufficientPoints, RewardUnavailable, WhaleError
from libs.persistence.idempotency import StoredResponse
from libs.web.body import decode
from libs.web.requests import AnyRequest, Body, json_body, stored_body
from services.earning.api import responses
from services.earning.api.resources import resources_of
from services.earning.domain.debits import Cancellation, Debit, DebitRecord, Settlement
from services.earning.handlers import debits, programs
from services.earning.handlers.posting import Result

_STORE: Final = "/internal/stores/{store_id:str}"


@post(f"{_STORE}/debits", status_code=200)
async def debit(request: AnyRequest, store_id: FromPath[str]) -> Body:
    """Take the price of a reward; a repeated request returns the same transaction."""
    body = decode(await request.body(), internal.DebitRequest)
    posting = Debit(
        store_id=store_id,
        customer_id=body.customer_id,
        redemption_id=body.redemption_id,
        points=body.points,
        reward=body.reward,
        min_tier=body.min_tier,
        occurred_at=utc_now(),
    )
    return await _post(request, posting)


@post(f"{_STORE}/settlements", status_code=200)
async def settle(request: AnyRequest, store_id: FromPath[str]) -> Body:
    """Decide permanently whether the redemption was debited."""
    body = decode(await request.body(), internal.RedemptionRequest)
    posting = Settlement(
        store_id=store_id, customer_id=body.customer_id, redemption_id=body.redemption_id
    )
    return await _post(request, posting)


@post(f"{_STORE}/cancellations", status_code=200)
async def cancel(request: AnyRequest, store_id: FromPath[str]) -> Body:
    """Return the points, once."""
    body = decode(await request.body(), internal.RedemptionRequest)
    posting = Cancellation(
        store_id=store_id,
        customer_id=body.customer_id,
        redemption_id=body.redemption_id,
        occurred_at=utc_now(),
    )
    return await _post(request, posting)


@post(f"{_STORE}/debit-checks", status_code=200)
async def check_debits(request: AnyRequest, store_id: FromPath[str]) -> Body:
    """For redemptions of the store, the debits that were committed by now; changes nothing."""
    body = decode(await request.body(), internal.DebitCheck)
    rows = await debits.find_debits(
        resources_of(request).read_engine, store_id, body.redemption_ids
    )
    return json_body(
        internal.DebitCheckResult(debits=[responses.recorded_debit(row) for row in rows])
    )


@post(f"{_STORE}/price-checks", status_code=200)
async def check_prices(request: AnyRequest, store_id: FromPath[str]) -> Body:
    """For each price, whether the customer could pay it now, and if not, why."""
    body = decode(await request.body(), internal.PriceCheck)
    refusals = await debits.find_refusals(
        resources_of(request).read_engine, store_id, body.customer_id, body.prices
    )
    return json_body(
        internal.PriceCheckResult(refusals=[_refusal(refusal) for refusal in refusals])
    )


@get(f"{_STORE}/tiers")
async def read_tiers(request: AnyRequest, store_id: FromPath[str]) -> Body:
    """The tiers that a reward may require."""
    default = await programs.find_default(resources_of(request).read_engine, store_id)
    names = None if default is None else [tier.name for tier in default.tiers]
    return json_body(internal.StoreTiers(names=names))


async def _post(request: AnyRequest, posting: Debit | Settlement | Cancellation) -> Body:
    return stored_body(await debits.post(resources_of(request).group_commit, posting, _debited))


def _debited(results: Sequence[Result]) -> StoredResponse:
    (result,) = results
    if isinstance(result, WhaleError):
        raise result
    assert isinstance(result, DebitRecord)
    transaction = None
    if result.entry is not None and result.account is not None:
        transaction = responses.transaction(result.entry, result.account.customer_id)
    debited = internal.DebitState(transaction=transaction, cancelled=result.state == "cancelled")
    return StoredResponse(200, api.encode(debited))


def _refusal(error: WhaleError | None) -> internal.Refusal | None:
    match error:
        case None:
            return None
        case RewardUnavailable():
            return internal.Refusal(code=error.code, reason=str(error.extra["reason"]))
        case InsufficientPoints(extra={"missing": int(missing)}):
            return internal.Refusal(code=error.code, missing=missing)
        case _:
            return internal.Refusal(code=error.code)


ROUTES: Final[tuple[ControllerRouterHandler, ...]] = (
    debit,
    settle,
    cancel,
    check_debits,
    check_prices,
    read_tiers,
)
