"""The routes of the dashboard: a module per page lists its own."""

from typing import Any, Final

from litestar import Response, Router, get
from litestar.di import Provide
from litestar.types import ControllerRouterHandler

from libs.kernel.errors import NotFound
from services.dashboard.api import (
    anomalies,
    assets,
    components,
    customer_actions,
    customer_points,
    customer_release,
    customers,
    detectors,
    errors,
    keys,
    operations,
    overview,
    preferences,
    program,
    rewards,
    search,
    sign_in,
)
from services.dashboard.api.visit import Visit, open_visit
from services.dashboard.domain.navigation import ROOT

PAGES: Final[tuple[ControllerRouterHandler, ...]] = (
    *assets.ROUTES,
    *sign_in.ROUTES,
    *preferences.ROUTES,
    *search.ROUTES,
    *keys.ROUTES,
    *overview.ROUTES,
    *program.ROUTES,
    *rewards.ROUTES,
    *anomalies.ROUTES,
    *detectors.ROUTES,
    *customers.ROUTES,
    *customer_points.ROUTES,
    *customer_release.ROUTES,
    *customer_actions.ROUTES,
    *operations.ROUTES,
)


@get("/{path:path}", operation_id="dashboardNotFound")
async def not_found(visit: Visit) -> Response[Any]:
    """Every other path below the dashboard."""
    del visit
    raise NotFound("There is no such page.")


def create_routes(*, is_local: bool) -> list[ControllerRouterHandler]:
    """All routes; the page of all components exists in local mode only."""
    pages = [*PAGES, *(components.ROUTES if is_local else ()), not_found]
    return [
        Router(
            ROOT,
            route_handlers=pages,
            dependencies={"visit": Provide(open_visit)},
            exception_handlers={Exception: errors.render_error},
        )
    ]
