"""The detectors: their settings as sentences, tried on the orders of the past before they are saved."""

from collections.abc import Mapping
from typing import Any, Final
from uuid import uuid4

from litestar import Response, get, post
from litestar.types import ControllerRouterHandler

from services.dashboard.api.forms import show_unknown_outcome
from services.dashboard.api.visit import Visit
from services.dashboard.clients import UNKNOWN_OUTCOME
from services.dashboard.domain import detectors
from services.dashboard.domain.formatting import utc_day
from services.dashboard.domain.navigation import link
from services.dashboard.handlers.detectors import Trial, count_in_shadow, try_out
from services.dashboard.handlers.panels import Failed, attempt
from services.dashboard.store.sessions import Toast
from whale_loyalty.errors import Conflict, InvalidRequest
from whale_loyalty.models import AnomalySettings

_PATH: Final = "detectors"
_TEMPLATE: Final = "pages/detectors.html"


@get("/detectors", operation_id="dashboardDetectors")
async def show_detectors(visit: Visit) -> Response[Any]:
    """The settings in force; with values in the address, those values and what they would flag."""
    current = await visit.client.loyalty.anomaly_settings.get()
    defaults = detectors.values_of(current)
    values = {field: visit.query(field) or defaults[field] for field in detectors.FIELDS}
    if not visit.query("days"):
        return await _page(visit, current, values)
    errors = _number_errors(visit, values)
    if errors:
        return await _page(visit, current, values, errors=errors, status=422)
    try:
        trial = await attempt(_try(visit, current, values))
    except InvalidRequest as error:
        return await _page(visit, current, values, errors=_errors(error), status=422)
    return await _page(visit, current, values, trial=trial)


@post("/detectors/try", operation_id="dashboardTryDetectors", status_code=200)
async def try_detectors(visit: Visit) -> Response[Any]:
    """Lead to the address of the trial, which can be reloaded and shared. Saves nothing."""
    address = link(_PATH, **_fields(visit), days=_days(visit.field("days")))
    return await visit.redirect(address)


@post("/detectors", operation_id="dashboardSaveDetectors", status_code=200)
async def save_detectors(visit: Visit) -> Response[Any]:
    """Save the settings, if they are still those that the reader saw."""
    visit.require("manage")
    values = _fields(visit)
    errors = _number_errors(visit, values)
    is_changed, status = False, 422
    if not errors:
        try:
            await _save(visit, values)
            return await visit.redirect(link(_PATH), Toast(visit.text("detectors.saved")))
        except InvalidRequest as error:
            errors = _errors(error)
        except Conflict:
            is_changed, status = True, 409
        except UNKNOWN_OUTCOME:
            return await show_unknown_outcome(visit, "anomalies")
    current = await visit.client.loyalty.anomaly_settings.get()
    return await _page(
        visit,
        current,
        values,
        errors=errors,
        is_changed=is_changed,
        status=status,
    )


async def _save(visit: Visit, values: Mapping[str, str]) -> None:
    version = visit.field("version")
    settings: dict[str, Any] = detectors.settings_from(values)
    await visit.writing.loyalty.anomaly_settings.update(
        **settings,
        version=int(version) if version.isdecimal() else None,
        idempotency_key=visit.field("idempotency_key"),
    )


async def _try(visit: Visit, current: AnomalySettings, values: Mapping[str, str]) -> Trial:
    # A trial reads the history of the store, which may take longer than a panel.
    return await try_out(
        visit.writing,
        detectors.settings_from(values),
        current,
        days=_days(visit.query("days")),
        today=utc_day(visit.now),
    )


async def _page(
    visit: Visit,
    current: AnomalySettings,
    values: Mapping[str, str],
    *,
    status: int = 200,
    errors: Mapping[str, str] | None = None,
    trial: Trial | Failed | None = None,
    is_changed: bool = False,
) -> Response[Any]:
    sentences = {
        name: detectors.sentence(visit.text(f"detectors.{name}")) for name in detectors.PARAMETERS
    }
    return await visit.page(
        _TEMPLATE,
        page="anomalies",
        status=status,
        found_in_shadow=await attempt(count_in_shadow(visit.client)),
        is_shadow_used=detectors.is_shadow_used(current),
        values=values,
        errors=errors or {},
        differences=detectors.differences(values, detectors.values_of(current)),
        sentences=sentences,
        modes=detectors.MODES,
        ranges=detectors.DAYS,
        days=_days(visit.query("days") or visit.field("days")),
        trial=trial,
        is_changed=is_changed,
        version=current.version or "",
        idempotency_key=str(uuid4()),
    )


def _fields(visit: Visit) -> dict[str, str]:
    return {field: visit.field(field) for field in detectors.FIELDS}


def _days(text: str) -> int:
    return next((days for days in detectors.DAYS if str(days) == text), detectors.DEFAULT_DAYS)


def _number_errors(visit: Visit, values: Mapping[str, str]) -> dict[str, str]:
    return {
        field: visit.text(
            "detectors.not_a_number",
            name=visit.text(f"detectors.field.{field.partition('.')[2]}"),
        )
        for field in detectors.not_numbers(values)
    }


def _errors(error: InvalidRequest) -> dict[str, str]:
    """The text of each wrong field; one that the form does not have is an error of the whole form."""
    errors = {}
    for one in error.errors or [{"detail": error.detail}]:
        field = detectors.field_of(one.get("pointer", ""))
        errors[field if field in detectors.FIELDS else ""] = one["detail"]
    return errors


ROUTES: Final[tuple[ControllerRouterHandler, ...]] = (
    show_detectors,
    try_detectors,
    save_detectors,
)
