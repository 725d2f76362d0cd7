"""The pages of errors: each says what happened and what to do next."""

from typing import Any, Final

from litestar import Response
from litestar.background_tasks import BackgroundTask
from litestar.exceptions import HTTPException
from litestar.response import Redirect
from msgspec import Struct

from libs.kernel import errors as kernel
from libs.observability import logging
from services.dashboard.api.resources import PageRequest, dashboard_of
from services.dashboard.api.visit import (
    Forbidden,
    ForgedRequest,
    SessionsUnavailable,
    SignInRequired,
    Visit,
    frame_variables,
    html,
    is_swap,
    session_cookie,
    sign_in_address,
)
from services.dashboard.domain.navigation import ROOT
from whale_loyalty import errors as api

# The first that fits: the kinds of errors, the status of the page, and the name of its texts.
_PAGES: Final[tuple[tuple[tuple[type[Exception], ...], int, str], ...]] = (
    ((Forbidden, api.InsufficientScope), 403, "forbidden"),
    ((ForgedRequest,), 403, "forged"),
    ((SessionsUnavailable,), 503, "sessions"),
    ((kernel.NotFound, api.NotFound, api.InvalidArgument, api.InvalidRequest), 404, "not_found"),
    ((api.ConnectionFailed, api.TimedOut, api.Unavailable, api.RateLimited), 503, "unavailable"),
    ((api.RequestTimeout, api.UnexpectedAnswer, kernel.Unavailable), 503, "unavailable"),
    ((api.Refused,), 409, "refused"),
)
_OK: Final = 200
_NOT_FOUND: Final = 404

log = logging.get(__name__)


class ErrorPage(Struct, frozen=True, kw_only=True):
    """`name` is the part of the texts `error.<name>.title` and `.text`; `detail` comes from the API."""

    status: int
    name: str
    detail: str | None = None
    code: str | None = None
    scope: str | None = None


def render_error(request: PageRequest, error: Exception) -> Response[Any]:
    """The page for a request that raised `error`."""
    visit: Visit | None = request.scope["state"].get("visit")
    if isinstance(error, SignInRequired):
        return _to_sign_in(request, is_ended=error.is_ended)
    if isinstance(error, api.Unauthenticated) and visit is not None:
        response = _to_sign_in(request, is_ended=True)
        response.background = BackgroundTask(visit.dashboard.sessions.delete, visit.session_id)
        response.set_cookie(session_cookie(request, None))
        return response
    page = _page_for(error)
    if page.name == "internal":
        log.error("internal_error", path=request.url.path, exc_info=error)
    templates = dashboard_of(request).templates
    variables = {
        "error": page,
        "request_id": getattr(error, "request_id", None)
        or request.scope["state"].get("request_id"),
        "here": request.url.path,
    }
    if visit is None or page.name == "sessions":
        template = "pages/error_alone.html"
        variables |= {"theme": "auto", "toast": None}
    else:
        template = "pages/error.html"
        variables |= frame_variables(visit, "", None, None)
    if is_swap(request) and visit is not None and page.name != "sessions":
        block = templates.render_block(template, "content", variables)
        return html(block, page.status)
    return html(templates.render(template, variables), page.status)


def _page_for(error: Exception) -> ErrorPage:
    if isinstance(error, HTTPException) and error.status_code == _NOT_FOUND:
        return ErrorPage(status=404, name="not_found")
    for kinds, status, name in _PAGES:
        if isinstance(error, kinds):
            return ErrorPage(
                status=status,
                name=name,
                detail=getattr(error, "detail", None),
                code=getattr(error, "code", None),
                scope=getattr(error, "required", None) or getattr(error, "scope", None),
            )
    return ErrorPage(status=500, name="internal")


def _to_sign_in(request: PageRequest, *, is_ended: bool) -> Response[Any]:
    """Lead to the sign-in page, and from there back: to this page, or after a write to the page that
    its form was on."""
    here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    if request.method != "GET":
        here = request.headers.get("Referer", "").partition(ROOT)[2]
        here = f"{ROOT}{here}"
    address = sign_in_address(here, is_ended=is_ended)
    if is_swap(request):
        return html("", _OK, {"HX-Redirect": address})
    return Redirect(address, status_code=303, headers={"Cache-Control": "no-store"})
