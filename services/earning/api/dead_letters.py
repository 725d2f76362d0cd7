"""Routes for the dead letters of a store: listed, shown, replayed and dropped."""

from collections.abc import Sequence
from functools import partial
from typing import Final, get_args

from litestar import delete, get, post
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler
from msgspec import Raw

from libs.contracts import api, order_api
from libs.kernel.errors import WhaleError
from libs.persistence.idempotency import StoredResponse
from libs.web import pages, problems
from libs.web.body import Faults
from libs.web.requests import (
    AnyRequest,
    Body,
    has_scope,
    json_body,
    no_query,
    query_of,
    read_write,
    stored_body,
    write_of_bytes,
)
from services.earning.api import checks
from services.earning.api import order_responses as responses
from services.earning.api.resources import resources_of
from services.earning.handlers import dead_letters
from services.earning.handlers.letter_handling import LetterResult, handle_letters
from services.earning.store.dead_letters import LetterFilter

_LETTERS: Final = "/v1/stores/{store_id:str}/loyalty/dead-letters"
_LETTER: Final = f"{_LETTERS}/{{letter_id:str}}"


@get(_LETTERS, operation_id="listDeadLetters")
async def list_dead_letters(request: AnyRequest, store_id: FromPath[str]) -> Body:
    faults = Faults()
    query = query_of(request, faults, known=pages.PARAMETERS | {"topic", "code"})
    page = pages.page_of(query)
    filter_ = LetterFilter(
        store_id=store_id,
        topic=query.one_of("topic", get_args(api.LetterTopic)),
        code=query.one_of("code", get_args(api.LetterCode)),
    )
    faults.raise_if_any()
    listed = await dead_letters.list_letters(resources_of(request).slow_reads, filter_, page)
    data = [responses.dead_letter(row) for row in listed.items]
    return json_body(pages.page_body(listed, data))


@get(_LETTER, operation_id="getDeadLetter")
async def get_dead_letter(
    request: AnyRequest, store_id: FromPath[str], letter_id: FromPath[str]
) -> Body:
    """A record may hold anything that a shop knows of a buyer: a key that only reads does not see it."""
    no_query(request)
    row = await dead_letters.get_letter(resources_of(request).read_engine, store_id, letter_id)
    if has_scope(request, "manage"):
        return json_body(responses.dead_letter_with_record(row))
    return json_body(responses.dead_letter(row))


@post(f"{_LETTER}/replay", operation_id="replayDeadLetter", status_code=200)
async def replay_dead_letter(
    request: AnyRequest, store_id: FromPath[str], letter_id: FromPath[str]
) -> Body:
    """Publish the record of a letter again; repeated, it is published once."""
    write = write_of_bytes(request, store_id, await request.body())
    resources = resources_of(request)
    response = await handle_letters(
        resources.write_engine, write.claim, store_id, [letter_id], "replayed", _replayed
    )
    resources.wake_relay()
    return stored_body(response)


@post(f"{_LETTERS}/replay", operation_id="replayDeadLetters", status_code=200)
async def replay_dead_letters(request: AnyRequest, store_id: FromPath[str]) -> Body:
    """Publish the records of many letters again; each has its own verdict."""
    write = await read_write(request, store_id, order_api.DeadLetterReplay, checks.replay)
    ids = write.body.ids
    render = partial(_verdicts, ids, write.caller.request_id)
    resources = resources_of(request)
    response = await handle_letters(
        resources.write_engine, write.claim, store_id, ids, "replayed", render
    )
    resources.wake_relay()
    return stored_body(response)


@delete(_LETTER, operation_id="dropDeadLetter", status_code=200)
async def drop_dead_letter(
    request: AnyRequest, store_id: FromPath[str], letter_id: FromPath[str]
) -> Body:
    """Remove a letter from the list for good, without replaying it."""
    write = write_of_bytes(request, store_id, await request.body())
    resources = resources_of(request)
    response = await handle_letters(
        resources.write_engine, write.claim, store_id, [letter_id], "dropped", _dropped
    )
    resources.wake_relay()
    return stored_body(response)


def _replayed(results: Sequence[LetterResult]) -> StoredResponse:
    (result,) = results
    if isinstance(result, WhaleError):
        raise result
    return StoredResponse(200, api.encode(responses.dead_letter(result)))


def _dropped(results: Sequence[LetterResult]) -> StoredResponse:
    (result,) = results
    if isinstance(result, WhaleError):
        raise result
    return StoredResponse(204, b"")


def _verdicts(
    ids: Sequence[str], request_id: str, results: Sequence[LetterResult]
) -> StoredResponse:
    data = [_verdict(id_, result, request_id) for id_, result in zip(ids, results, strict=True)]
    return StoredResponse(200, api.encode(order_api.DeadLetterVerdicts(data=data)))


def _verdict(id_: str, result: LetterResult, request_id: str) -> order_api.DeadLetterVerdict:
    if isinstance(result, WhaleError):
        problem = Raw(problems.body_of(result, request_id))
        return order_api.DeadLetterVerdict(
            id=id_, status=problems.status_of(result), problem=problem
        )
    return order_api.DeadLetterVerdict(
        id=id_, status=200, dead_letter=responses.dead_letter(result)
    )


ROUTES: Final[tuple[ControllerRouterHandler, ...]] = (
    list_dead_letters,
    get_dead_letter,
    replay_dead_letter,
    replay_dead_letters,
    drop_dead_letter,
)
