"""Routes for the clock of a store."""

from datetime import timedelta
from typing import Final

from litestar import get, put
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from libs.contracts import api
from libs.kernel.clock import format_time
from libs.persistence.idempotency import StoredResponse
from libs.web.requests import AnyRequest, Body, json_body, no_query, read_write, stored_body
from services.earning.api import checks
from services.earning.api.resources import resources_of
from services.earning.store.clock import Clock

_CLOCK: Final = "/v1/stores/{store_id:str}/loyalty/clock"


@get(_CLOCK, operation_id="getClock")
async def get_clock(request: AnyRequest, store_id: FromPath[str]) -> Body:
    clocks = resources_of(request).clocks
    clocks.require_movable()
    no_query(request)
    return json_body(_response(await clocks.read(store_id)))


@put(_CLOCK, operation_id="moveClock")
async def move_clock(request: AnyRequest, store_id: FromPath[str]) -> Body:
    """Move the store's clock forward; postings wait meanwhile."""
    clocks = resources_of(request).clocks
    clocks.require_movable()
    write = await read_write(request, store_id, api.ClockRequest, checks.clock)
    return stored_body(await clocks.move(write, _moved))


def _moved(clock: Clock) -> StoredResponse:
    return StoredResponse(200, api.encode(_response(clock)))


def _response(clock: Clock) -> api.Clock:
    return api.Clock(
        now=format_time(clock.now), shifted_by_seconds=clock.shift // timedelta(seconds=1)
    )


ROUTES: Final[tuple[ControllerRouterHandler, ...]] = (get_clock, move_clock)
