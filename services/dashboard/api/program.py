"""The program: what it earns today, and how it has changed."""

from typing import Any, Final

from litestar import Response, get
from litestar.types import ControllerRouterHandler

from services.dashboard.api import program_edit
from services.dashboard.api.visit import Visit
from services.dashboard.handlers import programs


@get("/program", operation_id="dashboardProgram")
async def show_program(visit: Visit) -> Response[Any]:
    """A program, the default one without an id."""
    view = await programs.load(visit.client, visit.query("id"))
    return await visit.page("pages/program.html", page="program", view=view)


@get("/program/versions", operation_id="dashboardProgramVersions")
async def show_versions(visit: Visit) -> Response[Any]:
    """The versions of a program, newest first, each as what it changed."""
    view = await programs.load_versions(visit.client, visit.query("id"), visit.query("before"))
    return await visit.page("pages/program_versions.html", page="program", view=view)


ROUTES: Final[tuple[ControllerRouterHandler, ...]] = (
    show_program,
    show_versions,
    *program_edit.ROUTES,
)
