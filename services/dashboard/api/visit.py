"""A visit: one request of a signed-in reader, checked before any page sees it."""

import secrets
from collections.abc import Mapping
from datetime import datetime
from functools import partial
from hashlib import sha256
from typing import Any, Final
from urllib.parse import unquote, urlencode, urlsplit
from zoneinfo import ZoneInfo

import msgspec
from litestar import Response
from litestar.datastructures import Cookie, FormMultiDict
from litestar.response import Redirect
from msgspec import Struct
from redis.exceptions import RedisError

from libs.kernel.clock import utc_now
from services.dashboard.api.resources import Dashboard, PageRequest, dashboard_of
from services.dashboard.domain import formatting, keys, navigation
from services.dashboard.domain.navigation import ROOT
from services.dashboard.handlers.frame import FrameCounts, load_counts
from services.dashboard.handlers.panels import Failed, attempt
from services.dashboard.store.sessions import Session, Toast
from whale_loyalty import AsyncWhaleClient

_SAFE: Final = frozenset({"GET", "HEAD"})
_ZONE_COOKIE: Final = "whale_zone"
TOKEN_FIELD: Final = "csrf_token"  # noqa: S105  the name of a field
_NOT_MODIFIED: Final = 204

HEADERS: Final = {
    "Cache-Control": "no-store",
    "Vary": "HX-Request",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
}


class SignInRequired(Exception):
    """There is no session, or it has ended (`is_ended`)."""

    def __init__(self, *, is_ended: bool) -> None:
        super().__init__()
        self.is_ended = is_ended


class ForgedRequest(Exception):
    """A write that did not come from a form of this session."""


class Forbidden(Exception):
    """The session's key lacks a scope."""

    def __init__(self, scope: str) -> None:
        super().__init__(scope)
        self.scope = scope


class SessionsUnavailable(Exception):
    """Redis does not respond: every session is kept, and no page can be shown."""


class Visit(Struct, frozen=True, kw_only=True):
    """One request of a signed-in reader: their session, the client of their key, and their zone.

    `form` is the body of a POST; the token in it was checked.
    """

    request: PageRequest
    dashboard: Dashboard
    session_id: str
    session: Session
    zone: ZoneInfo
    now: datetime
    form: FormMultiDict

    @property
    def client(self) -> AsyncWhaleClient:
        """The client for reads, which waits as long as a panel may."""
        return self.dashboard.clients.of(self.session.api_key)

    @property
    def writing(self) -> AsyncWhaleClient:
        """The client for writes, which have more time."""
        return self.dashboard.clients.writing(self.client)

    def can(self, scope: str) -> bool:
        """Whether the key has the scope. An action without it is not drawn."""
        return scope in self.session.scopes

    def require(self, scope: str) -> None:
        """Raise Forbidden without the scope."""
        if not self.can(scope):
            raise Forbidden(scope)

    def query(self, name: str, default: str = "") -> str:
        """A parameter of the query, without spaces around it."""
        return str(self.request.query_params.get(name, default)).strip()

    def field(self, name: str) -> str:
        """A field of the form, without spaces around it."""
        return str(self.form.get(name, "")).strip()

    def moment(self, value: datetime) -> str:
        """A time in the reader's zone."""
        return formatting.moment(value, self.zone)

    def start(self, value: datetime) -> str:
        """From when something holds, in the reader's zone: the day, if it begins with the day there."""
        return formatting.start(value, self.zone)

    def relative(self, value: datetime) -> str:
        """How long ago; the time itself from a week on."""
        return formatting.relative(value, self.now, self.zone)

    async def page(
        self, template: str, *, page: str, status: int = 200, **variables: Any
    ) -> Response[Any]:
        """The page, or the block of it that a request of htmx replaces: the one named as its target.

        `page` is the name of the page in the navigation.
        """
        block = self.request.headers.get("HX-Target", "") if is_swap(self.request) else ""
        templates = self.dashboard.templates
        blocks = templates.environment.get_template(template).blocks
        if block in blocks:
            values = frame_variables(self, page, None, None) | variables
            return self._fragment(templates.render_block(template, block, values), status)
        counts = await attempt(self._counts())
        toast = await _take_toast(self)
        values = frame_variables(self, page, None if isinstance(counts, Failed) else counts, toast)
        return html(templates.render(template, values | variables), status)

    async def redirect(self, path: str, toast: Toast | None = None) -> Response[Any]:
        """Lead to another page after a write, which may say what was done."""
        if toast is not None:
            try:
                await self.dashboard.sessions.leave_toast(self.session_id, toast)
            except RedisError as error:
                raise SessionsUnavailable from error
        return Redirect(path, status_code=303, headers={"Cache-Control": "no-store"})

    def text(self, key: str, **values: object) -> str:
        """A text, for what no template writes: a toast."""
        return text_of(self.dashboard, key, **values)

    async def _counts(self) -> FrameCounts:
        question = (self.session.store_id, self.session.api_key, "frame")
        return await self.dashboard.shared.get(question, partial(load_counts, self.client))

    def _fragment(self, content: str, status: int) -> Response[Any]:
        """The block; nothing where a live panel shows exactly that already."""
        digest = sha256(content.encode()).hexdigest()[:16]
        headers = {"X-Digest": digest}
        if self.request.headers.get("X-Digest") == digest and status == 200:
            return html("", _NOT_MODIFIED, headers)
        return html(content, status, headers)


async def open_visit(request: PageRequest) -> Visit:
    """The visit. Raises SignInRequired, SessionsUnavailable, and ForgedRequest."""
    parts = dashboard_of(request)
    is_write = request.method not in _SAFE
    if is_write:
        check_origin(request)
    session_id = request.cookies.get(cookie_name(request))
    if session_id is None:
        raise SignInRequired(is_ended=False)
    is_polling = request.headers.get("X-Live") == "1"
    try:
        session = await parts.sessions.find(session_id, is_used=not is_polling)
    except RedisError as error:
        raise SessionsUnavailable from error
    if session is None:
        raise SignInRequired(is_ended=True)
    form = FormMultiDict()
    if is_write:
        form = await request.form()
        sent = form.get(TOKEN_FIELD) or request.headers.get("X-CSRF-Token", "")
        if not secrets.compare_digest(str(sent).encode(), session.csrf_token.encode()):
            raise ForgedRequest
    visit = Visit(
        request=request,
        dashboard=parts,
        session_id=session_id,
        session=session,
        zone=formatting.zone_of(unquote(request.cookies.get(_ZONE_COOKIE, ""))),
        now=utc_now(),
        form=form,
    )
    # An error page is drawn in the frame of the visit.
    request.scope["state"]["visit"] = visit
    return visit


def check_origin(request: PageRequest) -> None:
    """Raise ForgedRequest for a write that another site's page sent. Browsers say where a request comes
    from in Sec-Fetch-Site, over plain HTTP only in Origin."""
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        if site != "same-origin":
            raise ForgedRequest
        return
    host = request.headers.get("X-Forwarded-Host") or request.headers.get("Host", "")
    if urlsplit(request.headers.get("Origin", "")).netloc != host:
        raise ForgedRequest


def is_swap(request: PageRequest) -> bool:
    """Whether htmx requests a part of the page."""
    return request.headers.get("HX-Request") == "true"


def is_secure(request: PageRequest) -> bool:
    """Whether the reader's connection has TLS."""
    return request.headers.get("X-Forwarded-Proto") == "https"


def cookie_name(request: PageRequest) -> str:
    """The name of the session's cookie; with TLS, browsers enforce that it is sent with TLS only."""
    return "__Secure-whale_session" if is_secure(request) else "whale_session"


def session_cookie(request: PageRequest, session_id: str | None) -> Cookie:
    """The cookie of a session, or the one that removes it."""
    return Cookie(
        key=cookie_name(request),
        value=session_id or "",
        path=ROOT,
        max_age=None if session_id else 0,
        httponly=True,
        secure=is_secure(request),
        samesite="lax",
    )


def html(
    content: str, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response[Any]:
    """A response with HTML and the headers of every page."""
    return Response(
        content,
        status_code=status,
        media_type="text/html; charset=utf-8",
        headers=HEADERS | dict(headers or {}),
    )


def sign_in_address(target: str, *, is_ended: bool) -> str:
    """The address of the sign-in page that returns to `target`."""
    query = {"next": target} | ({"ended": "1"} if is_ended else {})
    return f"{ROOT}/sign-in?{urlencode(query)}"


def text_of(parts: Dashboard, key: str, **values: object) -> str:
    """A text outside of a template."""
    text: str = parts.templates.text(key)
    return text % values if values else text


def frame_variables(
    visit: Visit, page: str, counts: FrameCounts | None, toast: Toast | None
) -> dict[str, Any]:
    """The variables that every page of a signed-in reader has."""
    page_keys = keys.keys_of(page)
    return {
        "visit": visit,
        "session": visit.session,
        "csrf_token": visit.session.csrf_token,
        "zone": visit.zone,
        "now": visit.now,
        "page": page,
        "pages": navigation.PAGES,
        "counts": counts,
        "toast": toast,
        "keys": page_keys,
        "keys_json": msgspec.json.encode(page_keys).decode(),
        "theme": visit.session.theme,
        "here": visit.request.url.path
        + (f"?{visit.request.url.query}" if visit.request.url.query else ""),
    }


async def _take_toast(visit: Visit) -> Toast | None:
    try:
        return await visit.dashboard.sessions.take_toast(visit.session_id)
    except RedisError:
        return None
