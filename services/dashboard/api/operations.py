"""Operations: the list of what is stuck, a dead letter, and what a reader does about them.

A replay, a drop and a check have their effect once, however often they are requested, so these forms
carry no idempotency key: a panel that updates itself would differ with each.
"""

from collections.abc import Awaitable, Sequence
from functools import partial
from typing import Any, Final, TypeVar

from litestar import Response, get, post
from litestar.types import ControllerRouterHandler

from libs.kernel.errors import NotFound as NoSuchPage
from services.dashboard.api.forms import show_unknown_outcome
from services.dashboard.api.visit import Visit, is_swap
from services.dashboard.clients import UNKNOWN_OUTCOME
from services.dashboard.domain.navigation import link
from services.dashboard.domain.records import record_text
from services.dashboard.handlers import operations
from services.dashboard.store.sessions import Toast
from whale_loyalty.errors import NotFound, Refused

T = TypeVar("T")

_PAGE: Final = "operations"
# As many as one request may name.
_MOST_IDS: Final = 500


@get("/operations", operation_id="dashboardOperations")
async def show_operations(visit: Visit) -> Response[Any]:
    """Everything that is stuck, in order of harm."""
    after = visit.query("after")
    view = await _load(visit, after)
    return await visit.page("pages/operations.html", page=_PAGE, view=view, after=after)


@get("/operations/letter", operation_id="dashboardLetter")
async def show_letter(visit: Visit) -> Response[Any]:
    """One dead letter with its record, or what to confirm before it is dropped."""
    letter_id = visit.query("id")
    if not letter_id:
        raise NoSuchPage("There is no such dead letter.")
    letter = await visit.client.loyalty.dead_letters.retrieve(letter_id)
    record = None
    if letter.value is not None:
        record = record_text(letter.value, letter.value_encoding)
    template = "pages/letter_drop.html" if visit.query("drop") else "pages/letter.html"
    return await visit.page(template, page=_PAGE, letter=letter, record=record)


@post("/operations/replay", operation_id="dashboardReplay", status_code=200)
async def replay_letters(visit: Visit) -> Response[Any]:
    """Replay one letter, the selected ones, or all that were shown."""
    visit.require("manage")
    ids = _ids_of_form(visit)
    if not ids:
        return await _nothing_selected(visit)
    outcome = await _write(visit, operations.replay(visit.writing, ids))
    if isinstance(outcome, Response):
        return outcome
    replayed, problems = outcome
    if problems:
        text = visit.text("operations.replayed.some", count=replayed, problems=" ".join(problems))
        return await visit.redirect(link(_PAGE), Toast(text, is_error=True))
    return await visit.redirect(
        link(_PAGE), Toast(visit.text("operations.replayed", count=replayed))
    )


@post("/operations/drop", operation_id="dashboardDrop", status_code=200)
async def drop_letter(visit: Visit) -> Response[Any]:
    """Drop one letter, which the reader has confirmed."""
    visit.require("manage")
    ids = _ids_of_form(visit)
    if len(ids) != 1:
        return await _nothing_selected(visit)
    outcome = await _write(visit, _drop(visit, ids[0]))
    if isinstance(outcome, Response):
        return outcome
    return await visit.redirect(link(_PAGE), Toast(visit.text("operations.dropped")))


@post("/operations/recheck", operation_id="dashboardRecheck", status_code=200)
async def recheck_orders(visit: Visit) -> Response[Any]:
    """Check one skipped order again, the selected ones, or all of a reason that were shown."""
    visit.require("manage")
    ids = _ids_of_form(visit)
    if not ids:
        return await _nothing_selected(visit)
    outcome = await _write(visit, operations.recheck(visit.writing, ids))
    if isinstance(outcome, Response):
        return outcome
    fixed, skipped = outcome
    text = visit.text("operations.rechecked", fixed=fixed, skipped=skipped)
    return await visit.redirect(link(_PAGE), Toast(text, is_error=fixed == 0))


async def _load(visit: Visit, after: str) -> operations.Operations:
    """A page is read for its reader, since it follows what they did; its updates are shared."""
    load = partial(operations.load, visit.client, visit.now, after=after)
    if not is_swap(visit.request):
        return await load()
    session = visit.session
    question = (session.store_id, session.api_key, _PAGE, after)
    return await visit.dashboard.shared.get(question, load)


async def _drop(visit: Visit, letter_id: str) -> bool:
    await visit.writing.loyalty.dead_letters.drop(letter_id)
    return True


def _ids_of_form(visit: Visit) -> Sequence[str]:
    """The ids that the pressed button stands for: that of a row, the selected ones, or all shown."""
    if visit.field("one"):
        return [visit.field("one")]
    name = "shown" if visit.field("choice") == "shown" else "id"
    return [str(value) for value in visit.form.getall(name, [])][:_MOST_IDS]


async def _write(visit: Visit, call: Awaitable[T]) -> T | Response[Any]:
    """What the write returned; else the page that says what is known, and how to go on."""
    try:
        return await call
    except UNKNOWN_OUTCOME:
        return await show_unknown_outcome(visit, _PAGE)
    except (Refused, NotFound) as error:
        return await visit.redirect(link(_PAGE), Toast(error.detail, is_error=True))


async def _nothing_selected(visit: Visit) -> Response[Any]:
    toast = Toast(visit.text("operations.nothing_selected"), is_error=True)
    return await visit.redirect(link(_PAGE), toast)


ROUTES: Final[tuple[ControllerRouterHandler, ...]] = (
    show_operations,
    show_letter,
    replay_letters,
    drop_letter,
    recheck_orders,
)
