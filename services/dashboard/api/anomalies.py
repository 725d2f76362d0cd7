"""The anomalies: their queue, and the review of one of them."""

from datetime import datetime
from typing import Any, Final
from uuid import uuid4

from litestar import Response, get, post
from litestar.types import ControllerRouterHandler
from msgspec import Struct

from services.dashboard.api.forms import show_unknown_outcome
from services.dashboard.api.visit import Visit
from services.dashboard.clients import UNKNOWN_OUTCOME
from services.dashboard.domain import formatting, reviews
from services.dashboard.domain.evidence import Label, Measure
from services.dashboard.domain.navigation import link
from services.dashboard.domain.reviews import Decision, Queue
from services.dashboard.handlers import anomalies
from services.dashboard.store.sessions import Toast
from whale_loyalty.errors import Conflict, InvalidRequest, NotFound
from whale_loyalty.models import Anomaly

_PATH: Final = "anomalies"
_TEMPLATE: Final = "pages/anomalies.html"


class Draft(Struct, frozen=True, kw_only=True):
    """The form that is open, with what the reader wrote into it. `problem` is why it came back: conflict
    or invalid."""

    decision: str = ""
    note: str = ""
    problem: str = ""
    error: str = ""


@get("/anomalies", operation_id="dashboardAnomalies")
async def show_anomalies(visit: Visit) -> Response[Any]:
    """The queue, and the chosen anomaly next to it."""
    return await _page(visit, Draft(decision=visit.query("do")))


@post("/anomalies", operation_id="dashboardReviewAnomaly", status_code=200)
async def review_anomaly(visit: Visit) -> Response[Any]:
    """Decide about the chosen anomaly, start its review, or stop that."""
    visit.require("manage")
    action = visit.field("action")
    decision = next((one for one in reviews.RESOLUTIONS if one == action), None)
    if decision is None:
        return await _claim(visit)
    note = visit.field(f"note-{decision}")
    draft = Draft(decision=decision, note=note, problem="invalid")
    if decision in reviews.NOTE_REQUIRED and not note:
        text = visit.text("anomaly.note.missing")
        return await _page(visit, _with(draft, error=text), status=422)
    try:
        anomaly = await anomalies.decide(
            visit.writing,
            visit.query("id"),
            decision,
            note=note,
            version=_number(visit.field("version")),
            idempotency_key=visit.field("idempotency_key"),
        )
    except InvalidRequest as error:
        text = error.errors[0]["detail"] if error.errors else error.detail
        return await _page(visit, _with(draft, error=text), status=422)
    except Conflict as error:
        return await _refused(visit, draft, error)
    except UNKNOWN_OUTCOME:
        return await show_unknown_outcome(visit, _PATH)
    return await _next(visit, anomaly, decision)


@get("/anomalies/watch", operation_id="dashboardAnomalyNews")
async def watch_anomalies(visit: Visit) -> Response[Any]:
    """What happened since the page was rendered."""
    news = await anomalies.load_news(
        visit.client,
        _moment(visit),
        visit.query("id"),
        _number(visit.query("version")),
        _number(visit.query("transactions")),
    )
    return await visit.page(
        "pages/anomaly_watch.html",
        page=_PATH,
        news=news,
        queue=_queue(visit),
        next_id=visit.query("next"),
        id=visit.query("id"),
    )


async def _page(visit: Visit, draft: Draft, *, status: int = 200) -> Response[Any]:
    view = await anomalies.load(visit.client, _queue(visit), visit.query("id"), _label(visit))
    return await visit.page(
        _TEMPLATE,
        page=_PATH,
        status=status,
        view=view,
        draft=draft,
        new_key=lambda: str(uuid4()),
        types=reviews.TYPES,
        sorts=tuple(reviews.SORTS),
        decision_names=tuple(reviews.RESOLUTIONS),
        note_required=reviews.NOTE_REQUIRED,
        note_max_length=reviews.NOTE_MAX_LENGTH,
        page_size=anomalies.PAGE_SIZE,
    )


async def _claim(visit: Visit) -> Response[Any]:
    """Start the review in the key's name, or stop it."""
    is_claim = visit.field("action") == "claim"
    try:
        anomaly = await visit.writing.loyalty.anomalies.update(
            visit.query("id"),
            status="in_review" if is_claim else "pending_review",
            version=_number(visit.field("version")),
            idempotency_key=visit.field("idempotency_key"),
        )
    except Conflict as error:
        return await _refused(visit, Draft(problem="conflict"), error)
    except UNKNOWN_OUTCOME:
        return await show_unknown_outcome(visit, _PATH)
    address = _address(visit, id=anomaly.id)
    toast = Toast(
        visit.text("anomaly.claimed") if is_claim else visit.text("anomaly.released"),
        undo_url=address,
        undo_label=visit.text("action.undo"),
        undo_fields={
            "action": "release" if is_claim else "claim",
            "version": str(anomaly.version),
            "idempotency_key": str(uuid4()),
        },
    )
    return await visit.redirect(address, toast)


async def _refused(visit: Visit, draft: Draft, error: Conflict) -> Response[Any]:
    """The anomaly as it is now, with the reader's note; the queue where it does not exist any more."""
    try:
        return await _page(visit, _with(draft, problem="conflict"), status=409)
    except NotFound:
        return await visit.redirect(_address(visit), Toast(error.detail, is_error=True))


async def _next(visit: Visit, anomaly: Anomaly, decision: Decision) -> Response[Any]:
    """Lead to the next anomaly, and say what was done."""
    queue = _queue(visit)
    path = _address(visit, id=visit.field("next"), done=queue.done + 1)
    text = visit.text(f"anomaly.done.{decision}", customer=anomaly.customer_id)
    if decision == "suspend":
        undo = link("customer/action", id=anomaly.customer_id, do="reactivate", suspended="yes")
        toast = Toast(text, undo_url=undo, undo_label=visit.text("customer.reactivate"))
        return await visit.redirect(path, toast)
    return await visit.redirect(path, Toast(text))


def _address(visit: Visit, **changes: object) -> str:
    return link(_PATH, **_queue(visit).address(**changes))


def _queue(visit: Visit) -> Queue:
    return reviews.queue_of(visit.request.query_params)


def _label(visit: Visit) -> Label:
    """The text of a mark of the charts."""

    def label(at: datetime, value: int, measure: Measure) -> str:
        when = formatting.day(at.date()) if measure == "days" else visit.moment(at)
        return visit.text(f"anomaly.mark.{measure}", value=formatting.number(value), when=when)

    return label


def _moment(visit: Visit) -> datetime:
    """Since when the reader wants to know; now for what is no time."""
    try:
        since = datetime.fromisoformat(visit.query("since"))
    except ValueError:
        return visit.now
    return since if since.tzinfo else visit.now


def _number(text: str) -> int:
    """A number that the page itself wrote; 0, which no version is, for anything else."""
    return int(text) if text.isdecimal() and len(text) < 10 else 0


def _with(draft: Draft, **changes: str) -> Draft:
    values = {name: getattr(draft, name) for name in draft.__struct_fields__}
    return Draft(**(values | changes))


ROUTES: Final[tuple[ControllerRouterHandler, ...]] = (
    show_anomalies,
    review_anomaly,
    watch_anomalies,
)
