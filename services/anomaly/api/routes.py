"""The routes of anomaly, in the shapes of /v1."""

from typing import Final, get_args

from litestar import get, patch, post, put
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from libs.contracts.anomalies import (
    ANOMALY_TYPES,
    AnomalyOrder,
    AnomalyPatch,
    AnomalySettingsInput,
    AnomalyStatus,
    BacktestRequest,
    Resolution,
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
from services.anomaly.api import checks, responses
from services.anomaly.api.resources import resources_of
from services.anomaly.handlers import anomalies, detector_settings, reviews
from services.anomaly.handlers.backtest_worker import Task
from services.anomaly.handlers.backtests import RUN_SECONDS
from services.anomaly.store.anomalies import AnomalyFilter

_STORE: Final = "/v1/stores/{store_id:str}"
_ANOMALY: Final = f"{_STORE}/loyalty/anomalies/{{anomaly_id:str}}"
_SETTINGS: Final = f"{_STORE}/loyalty/anomaly-settings"
_LIST_PARAMETERS: Final = pages.PARAMETERS | {
    *("status", "type", "resolution", "customer_id"),
    *("order", "flagged_after", "flagged_before", "mode"),
}
_ORDERS: Final[tuple[str, ...]] = get_args(AnomalyOrder)
_NEWEST_FIRST: Final = "-flagged_at"
_REVIEW: Final = "review"
_STATUSES: Final[tuple[str, ...]] = get_args(AnomalyStatus)
_RESOLUTIONS: Final[tuple[str, ...]] = get_args(Resolution)


@get(f"{_STORE}/loyalty/anomalies", operation_id="listAnomalies")
async def list_anomalies(request: AnyRequest, store_id: FromPath[str]) -> Body:
    """Suspicious earning, by default newest first."""
    faults = Faults()
    query = query_of(request, faults, known=_LIST_PARAMETERS)
    page = pages.page_of(query)
    filters = AnomalyFilter(
        store_id=store_id,
        statuses=query.some_of("status", _STATUSES),
        type=query.one_of("type", ANOMALY_TYPES),
        resolution=query.one_of("resolution", _RESOLUTIONS),
        customer_id=customer_parameter(query, faults),
        flagged_after=query.time("flagged_after"),
        flagged_before=query.time("flagged_before"),
        mode=query.one_of("mode", (_REVIEW, "shadow")) or _REVIEW,
        order=query.one_of("order", _ORDERS) or _NEWEST_FIRST,
    )
    checks.filters(filters, faults)
    faults.raise_if_any()
    listed = await anomalies.list_page(resources_of(request).slow_reads, filters, page)
    data = [responses.anomaly(anomaly) for anomaly in listed.items]
    return json_body(pages.page_body(listed, data))


@get(_ANOMALY, operation_id="getAnomaly")
async def get_anomaly(
    request: AnyRequest, store_id: FromPath[str], anomaly_id: FromPath[str]
) -> Body:
    """One anomaly."""
    no_query(request)
    anomaly = await anomalies.get(resources_of(request).read_engine, store_id, anomaly_id)
    return json_body(responses.anomaly(anomaly))


@patch(_ANOMALY, operation_id="updateAnomaly")
async def update_anomaly(
    request: AnyRequest, store_id: FromPath[str], anomaly_id: FromPath[str]
) -> Body:
    """Take an anomaly into review, stop its review, or resolve it permanently."""
    write = await read_write(request, store_id, AnomalyPatch, checks.patch)
    return stored_body(
        await reviews.review(resources_of(request), write, anomaly_id, responses.reviewed)
    )


@get(_SETTINGS, operation_id="getAnomalySettings")
async def get_settings(request: AnyRequest, store_id: FromPath[str]) -> Body:
    """The detectors' modes and parameters."""
    no_query(request)
    stored = await detector_settings.get(resources_of(request).read_engine, store_id)
    return json_body(responses.settings(stored))


@put(_SETTINGS, operation_id="updateAnomalySettings")
async def put_settings(request: AnyRequest, store_id: FromPath[str]) -> Body:
    """Replace the settings; fields left out get their defaults."""
    write = await read_write(request, store_id, AnomalySettingsInput, checks.settings)
    return stored_body(
        await detector_settings.replace(resources_of(request), write, responses.settings_replaced)
    )


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
        settings=body.settings.detectors(),
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
