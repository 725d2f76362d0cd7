"""Routes for loyalty programs."""

from collections.abc import Callable
from typing import Final, TypeVar

from litestar import get, patch, post
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from libs.contracts import api, program_api
from libs.persistence.idempotency import StoredResponse
from libs.web import pages
from libs.web.body import Faults, read
from libs.web.requests import (
    AnyRequest,
    Body,
    json_body,
    no_query,
    query_of,
    read_write,
    stored_body,
)
from services.earning.api import checks, responses
from services.earning.api.resources import resources_of
from services.earning.handlers import programs
from services.earning.handlers.programs import ProgramView

T = TypeVar("T")

_PROGRAMS: Final = "/v1/stores/{store_id:str}/loyalty-programs"
_PROGRAM: Final = f"{_PROGRAMS}/{{program_id:str}}"


@get(_PROGRAMS, operation_id="listPrograms")
async def list_programs(request: AnyRequest, store_id: FromPath[str]) -> Body:
    """The store's programs, oldest first."""
    faults = Faults()
    query = query_of(request, faults, known=pages.PARAMETERS)
    page = pages.page_of(query)
    faults.raise_if_any()
    listed = await programs.list_programs(resources_of(request).read_engine, store_id, page)
    data = [responses.program(program) for program in listed.items]
    return json_body(pages.page_body(listed, data))


@post(_PROGRAMS, operation_id="createProgram")
async def create_program(request: AnyRequest, store_id: FromPath[str]) -> Body:
    write = await read_write(request, store_id, program_api.ProgramCreate, checks.program_create)
    return stored_body(
        await programs.create_program(resources_of(request).write_engine, write, _created)
    )


@post(f"{_PROGRAMS}/preview", operation_id="previewNewProgram", status_code=200)
async def preview_new_program(request: AnyRequest, store_id: FromPath[str]) -> Body:
    """What a new program would mean. Creates none."""
    create = await _read_change(request, program_api.ProgramCreate, checks.program_create)
    reads = resources_of(request).slow_reads
    preview, dates = await programs.preview_new_program(reads, store_id, create)
    return json_body(responses.program_preview(preview, dates))


@get(_PROGRAM, operation_id="getProgram")
async def get_program(
    request: AnyRequest, store_id: FromPath[str], program_id: FromPath[str]
) -> Body:
    no_query(request)
    program = await programs.get_program(resources_of(request).read_engine, store_id, program_id)
    return json_body(responses.program(program))


@patch(_PROGRAM, operation_id="updateProgram")
async def update_program(
    request: AnyRequest, store_id: FromPath[str], program_id: FromPath[str]
) -> Body:
    write = await read_write(request, store_id, program_api.ProgramPatch, checks.program_patch)
    return stored_body(
        await programs.change_program(
            resources_of(request).write_engine, write, program_id, _changed
        )
    )


@get(f"{_PROGRAM}/versions", operation_id="listProgramVersions")
async def list_versions(
    request: AnyRequest, store_id: FromPath[str], program_id: FromPath[str]
) -> Body:
    """The program's versions, newest first."""
    faults = Faults()
    query = query_of(request, faults, known=pages.PARAMETERS)
    page = pages.page_of(query)
    faults.raise_if_any()
    engine = resources_of(request).read_engine
    listed = await programs.list_versions(engine, store_id, program_id, page)
    data = [responses.program_version(version) for version in listed.items]
    return json_body(pages.page_body(listed, data))


@post(f"{_PROGRAM}/preview", operation_id="previewProgram", status_code=200)
async def preview_program(
    request: AnyRequest, store_id: FromPath[str], program_id: FromPath[str]
) -> Body:
    """What a change would mean. Changes nothing."""
    patch = await _read_change(request, program_api.ProgramPatch, checks.program_patch)
    reads = resources_of(request).slow_reads
    preview, dates = await programs.preview_program(reads, store_id, program_id, patch)
    return json_body(responses.program_preview(preview, dates))


async def _read_change(request: AnyRequest, kind: type[T], check: Callable[[T, Faults], None]) -> T:
    """The body of a preview, which takes no query. Raises InvalidRequest."""
    faults = Faults()
    query_of(request, faults, known=frozenset())
    body = read(await request.body(), kind, faults, check=check)
    faults.raise_if_any()
    assert body is not None
    return body


def _created(program: ProgramView) -> StoredResponse:
    return StoredResponse(201, api.encode(responses.program(program)))


def _changed(program: ProgramView) -> StoredResponse:
    return StoredResponse(200, api.encode(responses.program(program)))


ROUTES: Final[tuple[ControllerRouterHandler, ...]] = (
    list_programs,
    create_program,
    preview_new_program,
    get_program,
    update_program,
    list_versions,
    preview_program,
)
