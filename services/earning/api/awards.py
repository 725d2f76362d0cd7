"""Routes for manual awards, single and in batches."""

from collections.abc import Sequence
from functools import partial
from typing import Final

from litestar import post
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler
from msgspec import Raw

from libs.contracts import api
from libs.kernel.clock import utc_now
from libs.kernel.errors import InvalidRequest, WhaleError
from libs.kernel.ids import normalized
from libs.persistence.idempotency import KeptAnswer
from libs.web import problems
from libs.web.body import Faults, read
from libs.web.exchange import AnyRequest, Body, kept_body, request_id_of, write_of
from services.earning.api import checks, responses
from services.earning.api.resources import resources_of
from services.earning.domain.accounts import Entry
from services.earning.domain.postings import Award
from services.earning.handlers import awards
from services.earning.handlers.posting import Result

_EARN: Final = "/v1/stores/{store_id:str}/loyalty/earn"


@post(_EARN, operation_id="earn")
async def earn(request: AnyRequest, store_id: FromPath[str]) -> Body:
    """Award points to a customer."""
    body, claim = await write_of(request, store_id, api.EarnRequest, checks.earn)
    response, replayed = await awards.give_award(
        resources_of(request).group_commit,
        _award(store_id, body),
        claim,
        responses.created_transaction,
    )
    return kept_body(response, replayed=replayed)


@post(f"{_EARN}/batch", operation_id="earnBatch", status_code=200)
async def earn_batch(request: AnyRequest, store_id: FromPath[str]) -> Body:
    """Award points to many customers; each award has its own verdict."""
    body, claim = await write_of(request, store_id, api.EarnBatchRequest, checks.batch)
    items = [_read_item(store_id, raw, place) for place, raw in enumerate(body.items)]
    response, replayed = await awards.give_awards(
        resources_of(request).group_commit,
        items,
        claim,
        partial(_verdicts, request_id=request_id_of(request)),
    )
    return kept_body(response, replayed=replayed)


def _read_item(store_id: str, raw: Raw, place: int) -> Award | WhaleError:
    """One item of a batch, or its faults."""
    at = f"#/items/{place}"
    try:
        faults = Faults()
        item = read(bytes(raw), api.EarnRequest, faults, check=partial(checks.earn, at=at), at=at)
        faults.raise_if_any()
    except InvalidRequest as error:
        return error
    assert item is not None
    return _award(store_id, item)


def _award(store_id: str, body: api.EarnRequest) -> Award:
    return Award(
        store_id=store_id,
        customer_id=normalized(body.customer_id),
        points=body.points,
        reason=body.reason,
        occurred_at=utc_now(),
    )


def _verdicts(results: Sequence[Result], request_id: str) -> KeptAnswer:
    data = [_verdict(result, request_id) for result in results]
    return KeptAnswer(200, api.encode(api.BatchAnswer(data=data)))


def _verdict(result: Result, request_id: str) -> api.Verdict:
    if isinstance(result, WhaleError):
        problem = Raw(problems.body_of(result, request_id))
        return api.Verdict(status=problems.status_of(result), problem=problem)
    assert isinstance(result, Entry)
    return api.Verdict(status=201, transaction=responses.transaction(result))


ROUTES: Final[tuple[ControllerRouterHandler, ...]] = (earn, earn_batch)
