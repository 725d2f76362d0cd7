"""Signing in and out."""

from typing import Any, Final

from litestar import Response, get, post
from litestar.response import Redirect
from litestar.types import ControllerRouterHandler
from redis.exceptions import RedisError

from services.dashboard.api.resources import PageRequest, dashboard_of
from services.dashboard.api.visit import (
    SessionsUnavailable,
    Visit,
    check_origin,
    cookie_name,
    html,
    session_cookie,
)
from services.dashboard.domain.navigation import ROOT, safe_next
from services.dashboard.handlers.sessions import SignInRefused, sign_in
from whale_loyalty.errors import WhaleError

_SIGN_IN: Final = "/sign-in"


@get(_SIGN_IN, operation_id="dashboardSignInForm")
async def show_form(request: PageRequest) -> Response[Any]:
    """The form; its page says so where a session has ended."""
    return _form(request, next_=request.query_params.get("next"))


@post(_SIGN_IN, operation_id="dashboardSignIn", status_code=200)
async def start_session(request: PageRequest) -> Response[Any]:
    """Start a session with a new id, whatever cookie came, and lead to the page that was requested."""
    check_origin(request)
    form = await request.form()
    next_ = str(form.get("next", ""))
    parts = dashboard_of(request)
    try:
        signed_in = await sign_in(
            parts.clients, parts.sessions, str(form.get("api_key", "")).strip()
        )
        earlier = request.cookies.get(cookie_name(request))
        if earlier is not None:
            await parts.sessions.delete(earlier)
    except SignInRefused as refusal:
        return _form(request, next_=next_, error=f"sign_in.error.{refusal.reason}", status=422)
    except (WhaleError, RedisError):
        return _form(request, next_=next_, error="sign_in.error.unavailable", status=503)
    return Redirect(
        safe_next(next_),
        status_code=303,
        cookies=[session_cookie(request, signed_in.session_id)],
        headers={"Cache-Control": "no-store"},
    )


@post("/sign-out", operation_id="dashboardSignOut", status_code=200)
async def end_session(visit: Visit) -> Response[Any]:
    """Delete the session."""
    try:
        await visit.dashboard.sessions.delete(visit.session_id)
    except RedisError as error:
        raise SessionsUnavailable from error
    return Redirect(
        f"{ROOT}{_SIGN_IN}?out=1",
        status_code=303,
        cookies=[session_cookie(visit.request, None)],
        headers={"Cache-Control": "no-store"},
    )


def _form(
    request: PageRequest, *, next_: str | None, error: str | None = None, status: int = 200
) -> Response[Any]:
    variables = {
        "next": safe_next(next_),
        "error": error,
        "is_ended": request.query_params.get("ended") == "1",
        "is_signed_out": request.query_params.get("out") == "1",
        "is_local": dashboard_of(request).is_local,
        "theme": "auto",
        "toast": None,
    }
    return html(dashboard_of(request).templates.render("pages/sign_in.html", variables), status)


ROUTES: Final[tuple[ControllerRouterHandler, ...]] = (show_form, start_session, end_session)
