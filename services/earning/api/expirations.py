"""The route for the points of a whole store that expire."""

from typing import Final

from litestar import get
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from libs.contracts.lifecycle import DEFAULT_FORECAST_DAYS, MAX_FORECAST_DAYS
from libs.web.body import Faults
from libs.web.requests import AnyRequest, Body, json_body, query_of
from services.earning.api import responses
from services.earning.api.resources import resources_of
from services.earning.handlers import forecasts


@get("/v1/stores/{store_id:str}/loyalty/expirations", operation_id="getExpirationForecast")
async def get_expiration_forecast(request: AnyRequest, store_id: FromPath[str]) -> Body:
    """The store's points that expire within so many days."""
    faults = Faults()
    query = query_of(request, faults, known=frozenset({"days"}))
    days = query.number("days", default=DEFAULT_FORECAST_DAYS, lowest=1, highest=MAX_FORECAST_DAYS)
    faults.raise_if_any()
    engine = resources_of(request).read_engine
    forecast = await forecasts.get_forecast(engine, store_id, days=days)
    return json_body(responses.expiration_forecast(forecast))


ROUTES: Final[tuple[ControllerRouterHandler, ...]] = (get_expiration_forecast,)
