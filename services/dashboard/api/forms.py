"""What all pages with a form need: errors at their fields, and what a failed write means."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import uuid4

from litestar import Response

from services.dashboard.api.visit import TOKEN_FIELD, Visit
from services.dashboard.domain.forms import field_name


def idempotency_key(visit: Visit) -> str:
    """The form's own, so that a repeated form has no further effect; a new one for a form without."""
    return visit.field("idempotency_key") or str(uuid4())


async def show_unknown_outcome(visit: Visit, page: str) -> Response[Any]:
    """The page after a write that may have happened: it sends the same form again, with its key."""
    fields = [(name, value) for name, value in visit.form.multi_items() if name != TOKEN_FIELD]
    return await visit.page("pages/unknown_outcome.html", page=page, status=503, fields=fields)


def problem_texts(visit: Visit, problems: Mapping[str, str], family: str) -> dict[str, str]:
    """Texts for the problems that the dashboard found: field → the name of
    the problem's text."""
    return {
        name: _sentence(visit, name, visit.text(f"form.problem.{kind}"), family)
        for name, kind in problems.items()
    }


def error_texts(
    visit: Visit, errors: Sequence[Mapping[str, str]], family: str, fields: Sequence[str]
) -> dict[str, str]:
    """Texts for the errors of the API, in the order of the form's fields. Errors of what is no field
    are of the whole form."""
    texts: dict[str, str] = {}
    for error in errors:
        name = field_name(error.get("pointer", ""))
        if name not in fields:
            # An entry of a list is an error of the list's field, such as one of the perks.
            name = next((field for field in fields if name.startswith(f"{field}.")), "")
        sentence = _sentence(visit, name, error["detail"], family)
        # Several entries of a list may have the same error.
        if sentence not in texts.get(name, ""):
            texts[name] = f"{texts.get(name, '')} {sentence}".strip()
    places = {name: place for place, name in enumerate(fields)}
    return dict(sorted(texts.items(), key=lambda item: places.get(item[0], -1)))


def _sentence(visit: Visit, name: str, detail: str, family: str) -> str:
    """Name must have 1 to 120 characters. For a row of a list: its number too."""
    if not name:
        return f"{detail[:1].upper()}{detail[1:]}."
    steps = name.split(".")
    row = next((step for step in steps if step.isdigit()), None)
    field = ".".join(step for step in steps if not step.isdigit())
    label = visit.dashboard.templates.words(field, family)
    if row is not None:
        label = visit.text("form.row", label=label, row=int(row) + 1)
    return f"{label} {detail}."
