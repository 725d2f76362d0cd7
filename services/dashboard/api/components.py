"""All components in every state, on one page: what to look at first after a change of the style sheet."""

from datetime import timedelta
from typing import Any, Final

from litestar import Response, get
from litestar.types import ControllerRouterHandler

from services.dashboard.api.visit import Visit
from services.dashboard.domain import charts
from services.dashboard.handlers.overview import Figure
from services.dashboard.handlers.panels import Failed
from services.dashboard.store.sessions import Toast

_VALUES: Final = (12, 0, 31, 22, 44, 9, 18, 60, 51, 27, 33, 14)
_IN_QUESTION: Final = 8


@get("/components", operation_id="dashboardComponents")
async def show_components(visit: Visit) -> Response[Any]:
    """Examples of every component."""
    marks = [
        charts.Mark(
            visit.now - timedelta(hours=3 * number),
            value * 10,
            number < _IN_QUESTION and number % 2 == 0,
            f"{value * 10} points",
        )
        for number, value in enumerate(_VALUES)
    ]
    return await visit.page(
        "pages/components.html",
        page="components",
        columns=_figure("issued", columns=charts.columns(_VALUES)),
        line=_figure("outstanding", line=charts.line(_VALUES)),
        labels=[f"Mar {number}" for number in range(1, len(_VALUES) + 1)],
        timeline=charts.timeline(marks, threshold=450),
        sparkline=charts.line(_VALUES),
        failure=Failed("The service does not respond.", "timed_out", "req_0123456789"),
        error_toast=Toast("The order could not be replayed.", is_error=True),
        earlier=visit.now - timedelta(minutes=4),
    )


def _figure(name: str, **chart: Any) -> Figure:
    return Figure(name=name, total=sum(_VALUES), change=12, values=_VALUES, **chart)


ROUTES: Final[tuple[ControllerRouterHandler, ...]] = (show_components,)
