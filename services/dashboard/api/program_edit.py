"""Changing a program: edit with a preview, review the differences, save."""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import uuid4

from litestar import Response, get, post
from litestar.types import ControllerRouterHandler
from msgspec import Struct

from libs.kernel.zones import place_names
from services.dashboard.api.forms import error_texts, idempotency_key, problem_texts
from services.dashboard.api.visit import Visit
from services.dashboard.clients import UNKNOWN_OUTCOME
from services.dashboard.domain import lifecycle_form
from services.dashboard.domain.changes import Change
from services.dashboard.domain.navigation import link
from services.dashboard.domain.programs import (
    NEW_FORM,
    ProgramForm,
    changed_by_both,
    differences,
    find_problems,
    form_of,
    merge,
    parse,
    values_of,
)
from services.dashboard.handlers import programs
from services.dashboard.store.sessions import Toast
from whale_loyalty.errors import Conflict, InvalidRequest, Refused
from whale_loyalty.models import Program, ProgramVersion

_FAMILY: Final = "program.field"


class Editing(Struct, frozen=True, kw_only=True):
    """The page of a form. `stage` is edit or review; `program` is None for a new one; `notice` is the
    name of a text. `changes` are those that saving makes."""

    program: Program | None
    form: ProgramForm
    stage: str = "edit"
    version: str = ""
    errors: dict[str, str] = {}
    notice: str | None = None
    changes: Sequence[Change] = ()
    conflict: "Meanwhile | None" = None
    idempotency_key: str = ""
    filled_from: str | None = None
    is_row_new: bool = False


class Meanwhile(Struct, frozen=True):
    """What somebody else changed since the form was opened, and what the reader's form still changes;
    `both` are the fields that both changed."""

    latest: ProgramVersion
    theirs: Sequence[Change]
    mine: Sequence[Change]
    both: Sequence[str]


@get("/program/edit", operation_id="dashboardProgramForm")
async def show_form(visit: Visit) -> Response[Any]:
    """The form with a program's values, those of an earlier version, or those of a new program."""
    visit.require("manage")
    program_id, number = visit.query("id"), visit.query("from")
    if not program_id:
        return await _show(visit, Editing(program=None, form=NEW_FORM))
    program = await visit.client.programs.retrieve(program_id)
    editing = Editing(program=program, form=form_of(program), version=str(program.version or ""))
    if number:
        version = await programs.find_version(visit.client, program_id, number)
        editing = Editing(
            program=program,
            form=form_of(version),
            version=editing.version,
            filled_from=number,
        )
    return await _show(visit, editing)


@post("/program/edit", status_code=200, operation_id="dashboardProgramChange")
async def change_program(visit: Visit) -> Response[Any]:
    """One step with the form, by the button: a row more or less, preview, review, edit again, save."""
    visit.require("manage")
    form = parse({name: str(value) for name, value in visit.form.items()})
    action, _, number = visit.field("action").partition(":")
    if action == "save":
        return await _save(visit, form)
    program = await _program(visit)
    editing = Editing(program=program, form=form, version=visit.field("version"))
    match action:
        case "add":
            return await _show(visit, _replace(editing, form=form.with_row(), is_row_new=True))
        case "remove" if number.isdigit():
            return await _show(visit, _replace(editing, form=form.without_row(int(number))))
        case "review":
            return await _review(visit, _replace(editing, form=form.without_blank_rows()))
        case _:
            return await _show(visit, editing)


async def _program(visit: Visit) -> Program | None:
    program_id = visit.query("id")
    return await visit.client.programs.retrieve(program_id) if program_id else None


def _replace(editing: Editing, **changes: Any) -> Editing:
    values = {name: getattr(editing, name) for name in Editing.__struct_fields__}
    return Editing(**(values | changes))


async def _show(visit: Visit, editing: Editing, status: int = 200) -> Response[Any]:
    """The page; next to the form stands what it would mean, as far as it can be read."""
    form = editing.form.without_blank_rows()
    outlook = None
    is_known = editing.program is not None or not visit.query("id")
    if is_known and not find_problems(form):
        outlook = await programs.load_outlook(visit.client, editing.program, form)
    return await visit.page(
        "pages/program_edit.html",
        page="program",
        status=status,
        view=editing,
        outlook=outlook,
        zone_names=place_names(),
    )


async def _review(visit: Visit, editing: Editing) -> Response[Any]:
    """The differences before saving; the form again where it has errors or changes nothing."""
    form, program = editing.form, editing.program
    problems = find_problems(form)
    if problems:
        errors = problem_texts(visit, problems, _FAMILY)
        return await _show(visit, _replace(editing, errors=errors), 422)
    if program is not None and str(program.version or "") != editing.version:
        return await _show_conflict(visit, form, editing.version)
    outlook = await programs.load_outlook(visit.client, program, form)
    if outlook.errors:
        errors = _error_texts(visit, outlook.errors, form)
        return await _show(visit, _replace(editing, errors=errors), 422)
    changes = differences(program, values_of(form))
    if not changes:
        return await _show(visit, _replace(editing, notice="unchanged"))
    key = str(uuid4())
    return await _show(
        visit, _replace(editing, stage="review", changes=changes, idempotency_key=key)
    )


def _error_texts(
    visit: Visit, errors: Sequence[Mapping[str, str]], form: ProgramForm
) -> dict[str, str]:
    return error_texts(visit, lifecycle_form.at_fields(errors), _FAMILY, list(form.fields))


async def _save(visit: Visit, form: ProgramForm) -> Response[Any]:
    """Save what was reviewed, once per key."""
    program_id, version = visit.query("id"), visit.field("version")
    key = idempotency_key(visit)
    body = programs.body_of(values_of(form))
    try:
        if program_id:
            number = int(version) if version.isdigit() else 0
            saved = await visit.writing.programs.update(
                program_id, **body, version=number, idempotency_key=key
            )
        else:
            saved = await visit.writing.programs.create(**body, idempotency_key=key)
    except InvalidRequest as error:
        errors = _error_texts(visit, error.errors, form)
        editing = Editing(program=await _program(visit), form=form, version=version, errors=errors)
        return await _show(visit, editing, 422)
    except Conflict:
        return await _show_conflict(visit, form, version)
    except UNKNOWN_OUTCOME:
        return await _show_unknown(visit, form, version, key)
    except Refused as error:
        editing = Editing(
            program=await _program(visit), form=form, version=version, errors={"": error.detail}
        )
        return await _show(visit, editing, 409)
    done = visit.text("program.saved") if program_id else visit.text("program.created")
    details = " ".join(warning.detail for warning in saved.warnings)
    toast = Toast(f"{done} {details}".strip(), is_error=bool(details))
    return await visit.redirect(link("program", id=saved.id), toast)


async def _show_unknown(visit: Visit, form: ProgramForm, version: str, key: str) -> Response[Any]:
    """The review again, with the same key: its fields are hidden, so nobody can change them."""
    editing = Editing(
        program=None,
        form=form,
        stage="review",
        version=version,
        notice="unknown",
        idempotency_key=key,
    )
    return await _show(visit, editing, 503)


async def _show_conflict(visit: Visit, form: ProgramForm, version: str) -> Response[Any]:
    """The form on top of what somebody else saved meanwhile, with both sets of changes above it."""
    program_id = visit.query("id")
    program = await visit.client.programs.retrieve(program_id)
    base = await programs.find_version(visit.client, program_id, version)
    latest = await programs.find_version(visit.client, program_id, str(program.version))
    typed = values_of(form)
    merged = merge(base, typed, program)
    meanwhile = Meanwhile(
        latest,
        differences(base, program),
        differences(program, merged),
        changed_by_both(base, typed, program),
    )
    editing = Editing(
        program=program,
        form=form_of(merged),
        version=str(program.version),
        conflict=meanwhile,
    )
    return await _show(visit, editing, 409)


ROUTES: Final[tuple[ControllerRouterHandler, ...]] = (show_form, change_program)
