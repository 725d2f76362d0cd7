"""Routes for loyalty programs."""

from typing import Final

from litestar import get, patch, post
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from libs.contracts import api
from libs.kernel.clock import utc_now
from libs.persistence.idempotency import KeptAnswer
from libs.web import pages
from libs.web.body import Faults
from libs.web.exchange import (
    AnyRequest,
    Body,
    json_body,
    kept_body,
    no_query,
    query_of,
    write_of,
)
from services.earning.api import checks, responses
from services.earning.api.resources import resources_of
from services.earning.domain.programs import Program
from services.earning.handlers import programs

_PROGRAMS: Final = "/v1/stores/{store_id:str}/loyalty-programs"
_PROGRAM: Final = f"{_PROGRAMS}/{{program_id:str}}"


@get(_PROGRAMS, operation_id="listPrograms")
async def list_programs(request: AnyRequest, store_id: FromPath[str]) -> Body:
    """The store's programs, oldest first."""
    faults = Faults()
    query = query_of(request, faults, known=pages.PARAMETERS)
    page = pages.page_of(query)
    faults.raise_if_any()
    listed = await programs.list_programs(
        resources_of(request).reads,
        store_id,
        limit=page.limit,
        starting_after=page.starting_after,
    )
    data = [responses.program(program) for program in listed.items]
    return json_body(pages.answer(data, has_more=listed.has_more, counted=listed.counted))


@post(_PROGRAMS, operation_id="createProgram")
async def create_program(request: AnyRequest, store_id: FromPath[str]) -> Body:
    body, claim = await write_of(request, store_id, api.ProgramCreate, checks.program_create)
    response, replayed = await programs.create_program(
        resources_of(request).batches, store_id, body, claim, _created, now=utc_now()
    )
    return kept_body(response, replayed=replayed)


@get(_PROGRAM, operation_id="getProgram")
async def get_program(
    request: AnyRequest, store_id: FromPath[str], program_id: FromPath[str]
) -> Body:
    no_query(request)
    program = await programs.get_program(resources_of(request).reads, store_id, program_id)
    return json_body(responses.program(program))


@patch(_PROGRAM, operation_id="updateProgram")
async def update_program(
    request: AnyRequest, store_id: FromPath[str], program_id: FromPath[str]
) -> Body:
    body, claim = await write_of(request, store_id, api.ProgramPatch, checks.program_patch)
    response, replayed = await programs.change_program(
        resources_of(request).batches, store_id, program_id, body, claim, _changed
    )
    return kept_body(response, replayed=replayed)


def _created(program: Program) -> KeptAnswer:
    return KeptAnswer(201, api.encode(responses.program(program)))


def _changed(program: Program) -> KeptAnswer:
    return KeptAnswer(200, api.encode(responses.program(program)))


ROUTES: Final[tuple[ControllerRouterHandler, ...]] = (
    list_programs,
    create_program,
    get_program,
    update_program,
)
