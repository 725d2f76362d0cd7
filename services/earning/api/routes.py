"""The routes of earning, in the shapes of /v1."""

from datetime import date, timedelta
from functools import partial
from typing import Final

from litestar import get, patch, post
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler
from msgspec import Raw

from libs.contracts import api
from libs.kernel import ids
from libs.kernel.clock import utc_now
from libs.kernel.errors import InvalidRequest, NotFound, WhaleError
from libs.web import checks as shared
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
from services.earning.api import checks
from services.earning.api.resources import resources_of
from services.earning.domain.postings import Award, StatusChange
from services.earning.handlers import awards, corrections, programs, reading, render
from services.earning.store.reading import CustomerFilter, TransactionFilter

_STORE: Final = "/v1/stores/{store_id:str}"
_TYPES: Final = ("earn", "redeem", "refund", "void", "cancel", "adjust", "expire")


@get(f"{_STORE}/loyalty-programs", operation_id="listPrograms")
async def list_programs(request: AnyRequest, store_id: FromPath[str]) -> Body:
    """The store's programmes, oldest first."""
    faults = Faults()
    query = query_of(request, faults, known=pages.PARAMETERS)
    page = pages.page_of(query)
    faults.raise_if_any()
    found = await programs.list_programs(resources_of(request).reads, store_id)
    shown = programs.page_of(found, page)
    data = [render.program(program) for program in shown.items]
    return json_body(pages.page_answer(shown, data))


@post(f"{_STORE}/loyalty-programs", operation_id="createProgram")
async def create_program(request: AnyRequest, store_id: FromPath[str]) -> Body:
    write = await read_write(request, store_id, api.ProgramCreate, checks.program_create)
    creation = programs.creation(write.body, now=utc_now())
    return await _change_program(
        request, programs.ProgramChange(store_id, creation, 201, write.claim)
    )


@get(f"{_STORE}/loyalty-programs/{{program_id:str}}", operation_id="getProgram")
async def get_program(
    request: AnyRequest, store_id: FromPath[str], program_id: FromPath[str]
) -> Body:
    no_query(request)
    found = await programs.get_program(resources_of(request).reads, store_id, program_id)
    return json_body(render.program(found))


@patch(f"{_STORE}/loyalty-programs/{{program_id:str}}", operation_id="updateProgram")
async def update_program(
    request: AnyRequest, store_id: FromPath[str], program_id: FromPath[str]
) -> Body:
    write = await read_write(request, store_id, api.ProgramPatch, checks.program_patch)
    change = programs.patch(program_id, write.body)
    return await _change_program(
        request, programs.ProgramChange(store_id, change, 200, write.claim)
    )


@post(f"{_STORE}/loyalty/earn", operation_id="earn")
async def earn(request: AnyRequest, store_id: FromPath[str]) -> Body:
    """Award points by hand."""
    write = await read_write(request, store_id, api.EarnRequest, checks.earn)
    response = await awards.earn(
        resources_of(request).group_commit, store_id, write.body, write.claim
    )
    return stored_body(response)


@get(f"{_STORE}/loyalty/customers/{{customer_id:str}}", operation_id="getCustomer")
async def get_customer(
    request: AnyRequest, store_id: FromPath[str], customer_id: FromPath[str]
) -> Body:
    no_query(request)
    return json_body(
        await reading.customer_status(resources_of(request).reads, store_id, customer_id)
    )


@get(f"{_STORE}/loyalty/transactions", operation_id="listTransactions")
async def list_transactions(request: AnyRequest, store_id: FromPath[str]) -> Body:
    faults = Faults()
    query = query_of(
        request,
        faults,
        known=pages.PARAMETERS | {"customer_id", "type", "created_after", "created_before"},
    )
    page = pages.page_of(query)
    customer_id = shared.customer_parameter(query, faults)
    wanted = TransactionFilter(
        store_id=store_id,
        type=query.one_of("type", _TYPES),
        created_after=query.time("created_after"),
        created_before=query.time("created_before"),
    )
    faults.raise_if_any()
    found = await reading.list_transactions(
        resources_of(request).slow_reads,
        wanted,
        customer_id=customer_id,
        limit=page.limit,
        starting_after=page.starting_after,
    )
    return json_body(pages.page_answer(found))


@get(f"{_STORE}/loyalty/transactions/{{transaction_id:str}}", operation_id="getTransaction")
async def get_transaction(
    request: AnyRequest, store_id: FromPath[str], transaction_id: FromPath[str]
) -> Body:
    no_query(request)
    return json_body(
        await reading.get_transaction(resources_of(request).reads, store_id, transaction_id)
    )


@post(f"{_STORE}/loyalty/earn/batch", operation_id="earnBatch", status_code=200)
async def earn_batch(request: AnyRequest, store_id: FromPath[str]) -> Body:
    """Award points to many customers; each award has its own verdict."""
    write = await read_write(request, store_id, api.EarnBatchRequest, checks.batch)
    items = [_award(store_id, raw, place) for place, raw in enumerate(write.body.items)]
    response = await awards.earn_batch(
        resources_of(request).group_commit, items, write.claim, write.caller.request_id
    )
    return stored_body(response)


def _award(store_id: str, raw: Raw, place: int) -> Award | WhaleError:
    """One item of a batch, or what is wrong with it."""
    at = f"#/items/{place}"
    try:
        faults = Faults()
        asked = read(bytes(raw), api.EarnRequest, faults, check=partial(checks.earn, at=at), at=at)
        faults.raise_if_any()
    except InvalidRequest as error:
        return error
    assert asked is not None
    return awards.award_of(store_id, asked)


@post(f"{_STORE}/loyalty/adjust", operation_id="adjust")
async def adjust(request: AnyRequest, store_id: FromPath[str]) -> Body:
    """Correct a balance by hand; the lifetime stays."""
    write = await read_write(request, store_id, api.AdjustRequest, checks.adjust)
    group_commit = resources_of(request).group_commit
    response = await corrections.adjust(group_commit, store_id, write.body, write.claim)
    return stored_body(response)


@get(f"{_STORE}/loyalty/customers", operation_id="listCustomers")
async def list_customers(request: AnyRequest, store_id: FromPath[str]) -> Body:
    faults = Faults()
    query = query_of(request, faults, known=pages.PARAMETERS | {"query", "tier", "status"})
    page = pages.page_of(query)
    status = query.one_of("status", ("active", "suspended"))
    wanted = CustomerFilter(
        store_id=store_id,
        prefix=shared.customer_start_parameter(query, faults),
        suspended=None if status is None else status == "suspended",
    )
    faults.raise_if_any()
    found = await reading.list_customers(
        resources_of(request).slow_reads,
        wanted,
        tier=query.text("tier"),
        limit=page.limit,
        starting_after=page.starting_after,
    )
    return json_body(pages.page_answer(found))


@patch(f"{_STORE}/loyalty/customers/{{customer_id:str}}", operation_id="updateCustomer")
async def update_customer(
    request: AnyRequest, store_id: FromPath[str], customer_id: FromPath[str]
) -> Body:
    """Suspend an account, or make it active again."""
    write = await read_write(request, store_id, api.CustomerPatch, checks.customer_patch)
    found = ids.customer_id(customer_id)
    if found is None:
        raise NotFound("There is no such customer in this store.")
    change = StatusChange(
        store_id=store_id,
        customer_id=found,
        suspended=write.body.status == "suspended",
        note=write.body.note,
        changed_by=write.caller.key_name,
    )
    response = await corrections.change_status(
        resources_of(request).group_commit, change, write.claim
    )
    return stored_body(response)


@get(f"{_STORE}/loyalty/summary", operation_id="getSummary")
async def get_summary(request: AnyRequest, store_id: FromPath[str]) -> Body:
    """The programme at a glance, by default of the last 30 days."""
    faults = Faults()
    query = query_of(request, faults, known=frozenset({"from", "to"}))
    last = query.date("to") or utc_now().date()
    # A month, or what there is of it after the first day of all.
    first = query.date("from") or last - min(timedelta(days=29), last - date.min)
    if first > last:
        faults.parameter("from", "A day not after `to`.")
    faults.raise_if_any()
    return json_body(await resources_of(request).summaries.get(store_id, first=first, last=last))


ROUTES: Final[tuple[ControllerRouterHandler, ...]] = (
    list_programs,
    create_program,
    get_program,
    update_program,
    earn,
    earn_batch,
    adjust,
    list_customers,
    get_customer,
    update_customer,
    get_summary,
    list_transactions,
    get_transaction,
)


async def _change_program(request: AnyRequest, wanted: programs.ProgramChange) -> Body:
    response = await programs.change(resources_of(request).batches, wanted)
    return stored_body(response)
