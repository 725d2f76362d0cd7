"""The routes of anomaly, in the shapes of /v1."""

from typing import Final, get_args

from litestar import get, patch, post, put
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from libs.contracts.anomalies import (
    AnomalyPatch,
    AnomalySettings,
    AnomalyStatus,
    AnomalyType,
    BacktestRequest,
)
from libs.web import pages
from libs.web.body import Faults, read
from libs.web.checks import customer_parameter
from libs.web.requests import (
    AnyRequest,
    Body,
    json_body,
    no_query,
    query_of,
    read_write,
    stored_body,
)
from services.anomaly.api import checks
from services.anomaly.api.resources import resources_of
from services.anomaly.domain.anomalies import Review
from services.anomaly.handlers import reading, reviewing
from services.anomaly.handlers.backtest_worker import Task
from services.anomaly.handlers.backtests import RUN_SECONDS
from services.anomaly.store.anomalies import AnomalyFilter

_STORE: Final = "/v1/stores/{store_id:str}"
_ANOMALY: Final = f"{_STORE}/loyalty/anomalies/{{anomaly_id:str}}"
_SETTINGS: Final = f"{_STORE}/loyalty/anomaly-settings"
_LIST_PARAMETERS: Final = pages.PARAMETERS | {"status", "type", "customer_id"}
_STATUSES: Final[tuple[str, ...]] = get_args(AnomalyStatus)
_TYPES: Final[tuple[str, ...]] = get_args(AnomalyType)


@get(f"{_STORE}/loyalty/anomalies", operation_id="listAnomalies")
async def list_anomalies(request: AnyRequest, store_id: FromPath[str]) -> Body:
    """Suspicious earning, newest first."""
    faults = Faults()
    query = query_of(request, faults, known=_LIST_PARAMETERS)
    page = pages.page_of(query)
    wanted = AnomalyFilter(
        store_id=store_id,
        status=query.one_of("status", _STATUSES),
        type=query.one_of("type", _TYPES),
        customer_id=customer_parameter(query, faults),
    )
    faults.raise_if_any()
    found = await reading.list_anomalies(resources_of(request).slow_reads, wanted, page)
    return json_body(pages.page_body(found))


@get(_ANOMALY, operation_id="getAnomaly")
async def get_anomaly(
    request: AnyRequest, store_id: FromPath[str], anomaly_id: FromPath[str]
) -> Body:
    no_query(request)
    return json_body(await reading.get_anomaly(resources_of(request).reads, store_id, anomaly_id))


@patch(_ANOMALY, operation_id="updateAnomaly")
async def update_anomaly(
    request: AnyRequest, store_id: FromPath[str], anomaly_id: FromPath[str]
) -> Body:
    """Take it into review, or resolve it for good."""
    write = await read_write(request, store_id, AnomalyPatch, checks.patch)
    decided = Review(
        status=write.body.status,
        resolution=write.body.resolution,
        note=write.body.note,
        reviewed_by=write.caller.key_name,
    )
    response = await reviewing.review(
        resources_of(request), store_id, anomaly_id, decided, write.claim
    )
    return stored_body(response)


@get(_SETTINGS, operation_id="getAnomalySettings")
async def get_settings(request: AnyRequest, store_id: FromPath[str]) -> Body:
    no_query(request)
    return json_body(await reading.get_settings(resources_of(request).reads, store_id))


@put(_SETTINGS, operation_id="updateAnomalySettings")
async def put_settings(request: AnyRequest, store_id: FromPath[str]) -> Body:
    """Replace the settings; what is left out is as shipped."""
    write = await read_write(request, store_id, AnomalySettings, checks.settings)
    response = await reviewing.put_settings(
        resources_of(request), store_id, write.body, write.claim
    )
    return stored_body(response)


@post(f"{_SETTINGS}/backtest", operation_id="backtestAnomalySettings", status_code=200)
async def backtest(request: AnyRequest, store_id: FromPath[str]) -> Body:
    """What other settings would have flagged; changes nothing."""
    faults = Faults()
    query_of(request, faults, known=frozenset())
    asked = read(await request.body(), BacktestRequest, faults, check=checks.backtest)
    faults.raise_if_any()
    assert asked is not None
    resources = resources_of(request)
    task = Task(
        database_url=resources.database_url,
        seconds=RUN_SECONDS,
        store_id=store_id,
        settings=asked.settings,
        first=checks.day(asked.from_),
        last=checks.day(asked.to),
    )
    return json_body(await resources.backtests.run(task))


ROUTES: Final[tuple[ControllerRouterHandler, ...]] = (
    list_anomalies,
    get_anomaly,
    update_anomaly,
    get_settings,
    put_settings,
    backtest,
)
