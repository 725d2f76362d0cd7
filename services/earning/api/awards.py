"""Routes for manual awards, single and in batches."""

from collections.abc import Sequence
from functools import partial
from typing import Final

from litestar import post
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler
from msgspec import Raw

from libs.contracts import api
from libs.kernel.errors import InvalidRequest, WhaleError
from libs.persistence.idempotency import StoredResponse
from libs.web import problems
from libs.web.body import Faults, read
from libs.web.requests import AnyRequest, Body, read_write, stored_body
from services.earning.api import checks, responses
from services.earning.api.resources import resources_of
from services.earning.domain.accounts import ManualEntry
from services.earning.handlers import awards
from services.earning.handlers.posting import Result

_EARN: Final = "/v1/stores/{store_id:str}/loyalty/earn"


@post(_EARN, operation_id="earn")
async def earn(request: AnyRequest, store_id: FromPath[str]) -> Body:
    """Award points to a customer."""
    write = await read_write(request, store_id, api.EarnRequest, checks.earn)
    group_commit = resources_of(request).group_commit
    return stored_body(await awards.give_award(group_commit, write, responses.created_transaction))


@post(f"{_EARN}/batch", operation_id="earnBatch", status_code=200)
async def earn_batch(request: AnyRequest, store_id: FromPath[str]) -> Body:
    """Award points to many customers; each award has its own verdict."""
    write = await read_write(request, store_id, api.EarnBatchRequest, checks.batch)
    items = [_read_item(raw, place) for place, raw in enumerate(write.body.items)]
    render = partial(_verdicts, request_id=write.caller.request_id)
    group_commit = resources_of(request).group_commit
    return stored_body(await awards.give_awards(group_commit, write, items, render))


def _read_item(raw: Raw, place: int) -> api.EarnRequest | WhaleError:
    """One item of a batch, or its faults."""
    at = f"#/items/{place}"
    try:
        faults = Faults()
        item = read(bytes(raw), api.EarnRequest, faults, check=partial(checks.earn, at=at), at=at)
        faults.raise_if_any()
    except InvalidRequest as error:
        return error
    assert item is not None
    return item


def _verdicts(results: Sequence[Result], request_id: str) -> StoredResponse:
    data = [_verdict(result, request_id) for result in results]
    return StoredResponse(200, api.encode(api.BatchAnswer(data=data)))


def _verdict(result: Result, request_id: str) -> api.Verdict:
    if isinstance(result, WhaleError):
        problem = Raw(problems.body_of(result, request_id))
        return api.Verdict(status=problems.status_of(result), problem=problem)
    assert isinstance(result, ManualEntry)
    return api.Verdict(status=201, transaction=responses.manual_transaction(result))


ROUTES: Final[tuple[ControllerRouterHandler, ...]] = (earn, earn_batch)
