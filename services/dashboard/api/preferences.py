"""What a reader chooses for their session: the theme, and whether single keys work."""

from typing import Any, Final

import msgspec
from litestar import Response, post
from litestar.types import ControllerRouterHandler
from redis.exceptions import RedisError

from services.dashboard.api.visit import SessionsUnavailable, Visit
from services.dashboard.domain.navigation import safe_next
from services.dashboard.store.sessions import Session

_THEMES: Final = frozenset({"auto", "light", "dark"})


@post("/preferences", operation_id="dashboardPreferences", status_code=200)
async def change_preferences(visit: Visit) -> Response[Any]:
    """Change what the form names, and lead back to the page that it was on."""
    try:
        await visit.dashboard.sessions.change(visit.session_id, _changed(visit))
    except RedisError as error:
        raise SessionsUnavailable from error
    return await visit.redirect(safe_next(visit.field("next")))


def _changed(visit: Visit) -> Session:
    session = visit.session
    if visit.field("theme") in _THEMES:
        session = msgspec.structs.replace(session, theme=visit.field("theme"))
    if visit.field("shortcuts"):
        session = msgspec.structs.replace(session, shortcuts=visit.field("shortcuts") == "on")
    return session


ROUTES: Final[tuple[ControllerRouterHandler, ...]] = (change_preferences,)
