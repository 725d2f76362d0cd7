"""The routes of anomaly in /v1."""

from typing import Final, get_args

from litestar import get, patch, post, put
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from libs.contracts.anomalies import (
    ANOMALY_TYPES,
    AnomalyPatch,
    AnomalySettings,
    AnomalyStatus,
    BacktestRequest,
)
from libs.web import pages
from libs.web.body import Faults, read
from libs.web.checks import customer_parameter
from libs.web.exchange import (
    AnyRequest,
    Body,
    json_body,
    kept_body,
    key_name_of,
    no_query,
    query_of,
    write_of,
)
from services.anomaly.api import checks
from services.anomaly.domain.anomalies import Review
from services.anomaly.handlers import anomalies, detector_settings, reviews
from services.anomaly.handlers.backtest_worker import Task
from services.anomaly.handlers.backtests import RUN_SECONDS
from services.anomaly.handlers.resources import resources_of
from services.anomaly.store.anomalies import AnomalyFilter

_STORE: Final = "/v1/stores/{store_id:str}"
_ANOMALY: Final = f"{_STORE}/loyalty/anomalies/{{anomaly_id:str}}"
_SETTINGS: Final = f"{_STORE}/loyalty/anomaly-settings"
_LIST_PARAMETERS: Final = pages.PARAMETERS | {"status", "type", "customer_id"}
_STATUSES: Final[tuple[str, ...]] = get_args(AnomalyStatus)


@get(f"{_STORE}/loyalty/anomalies", operation_id="listAnomalies")
async def list_anomalies(request: AnyRequest, store_id: FromPath[str]) -> Body:
    """Suspicious earning, newest first."""
    faults = Faults()
    query = query_of(request, faults, known=_LIST_PARAMETERS)
    page = pages.page_of(query)
    filters = AnomalyFilter(
        store_id=store_id,
        status=query.one_of("status", _STATUSES),
        type=query.one_of("type", ANOMALY_TYPES),
        customer_id=customer_parameter(query, faults),
    )
    faults.raise_if_any()
    listed = await anomalies.list_anomalies(resources_of(request).slow_reads, filters, page)
    return json_body(pages.answer(listed.items, has_more=listed.has_more, counted=listed.counted))


@get(_ANOMALY, operation_id="getAnomaly")
async def get_anomaly(
    request: AnyRequest, store_id: FromPath[str], anomaly_id: FromPath[str]
) -> Body:
    no_query(request)
    return json_body(await anomalies.get_anomaly(resources_of(request).reads, store_id, anomaly_id))


@patch(_ANOMALY, operation_id="updateAnomaly")
async def update_anomaly(
    request: AnyRequest, store_id: FromPath[str], anomaly_id: FromPath[str]
) -> Body:
    """Take an anomaly into review, or resolve it permanently."""
    body, claim = await write_of(request, store_id, AnomalyPatch, checks.patch)
    review = Review(
        status=body.status,
        resolution=body.resolution,
        note=body.note,
        reviewed_by=key_name_of(request),
    )
    answer, replayed = await reviews.review_anomaly(
        resources_of(request), store_id, anomaly_id, review, claim
    )
    return kept_body(answer, replayed=replayed)


@get(_SETTINGS, operation_id="getAnomalySettings")
async def get_settings(request: AnyRequest, store_id: FromPath[str]) -> Body:
    no_query(request)
    return json_body(await detector_settings.get_settings(resources_of(request).reads, store_id))


@put(_SETTINGS, operation_id="updateAnomalySettings")
async def put_settings(request: AnyRequest, store_id: FromPath[str]) -> Body:
    """Replace the settings; fields left out get their defaults."""
    body, claim = await write_of(request, store_id, AnomalySettings, checks.settings)
    answer, replayed = await detector_settings.put_settings(
        resources_of(request), store_id, body, claim
    )
    return kept_body(answer, replayed=replayed)


@post(f"{_SETTINGS}/backtest", operation_id="backtestAnomalySettings", status_code=200)
async def backtest(request: AnyRequest, store_id: FromPath[str]) -> Body:
    """Run a backtest: what other settings would have flagged. Changes nothing."""
    faults = Faults()
    query_of(request, faults, known=frozenset())
    body = read(await request.body(), BacktestRequest, faults, check=checks.backtest)
    faults.raise_if_any()
    assert body is not None
    resources = resources_of(request)
    task = Task(
        database_url=resources.database_url,
        seconds=RUN_SECONDS,
        store_id=store_id,
        settings=body.settings,
        first=checks.day(body.from_),
        last=checks.day(body.to),
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
