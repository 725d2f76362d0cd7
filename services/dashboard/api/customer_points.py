"""Awards and adjustments: a form that shows what it would do before it does it."""

from functools import partial
from typing import Any, Final, get_args

from litestar import Response, get, post
from litestar.types import ControllerRouterHandler
from msgspec import Struct

from services.dashboard.api.customer_forms import action_of, show_again, show_posted
from services.dashboard.api.forms import idempotency_key
from services.dashboard.api.visit import Visit
from services.dashboard.domain import points_form
from services.dashboard.domain.points_form import Action, Effect, Entry, Expires, Step
from services.dashboard.handlers import customer, customer_writes
from services.dashboard.handlers.customer_writes import Refusal, UnknownOutcome
from services.dashboard.handlers.panels import Failed
from whale_loyalty.models import CustomerStatus, Program

_SCOPES: Final[dict[Action, str]] = {"award": "earn", "adjust": "manage"}


class Form(Struct, frozen=True, kw_only=True):
    """What the page shows. `status` is the customer, None before their first points; `offers_expiry` if
    these points may have a last day of their own."""

    action: Action
    customer_id: str
    idempotency_key: str
    entry: Entry
    step: Step
    status: CustomerStatus | Failed | None
    effect: Effect | None
    offers_expiry: bool
    errors: dict[str, str]
    unknown: UnknownOutcome | None = None


@get("/customer/points", operation_id="dashboardPointsForm")
async def show_form(visit: Visit) -> Response[Any]:
    """The empty form, for `do=award` or `do=adjust`."""
    return await _show(visit, Entry(), errors={})


@post("/customer/points/effect", operation_id="dashboardPointsEffect", status_code=200)
async def show_effect(visit: Visit) -> Response[Any]:
    """What the form would do as it is now; nothing is sent."""
    entry = _entry(visit)
    errors = _texts(visit, entry) if entry.points else {}
    errors.pop("reason", None)
    return await _show(visit, entry, errors=errors, refused_status=200)


@post("/customer/points", operation_id="dashboardPostPoints", status_code=200)
async def post_points(visit: Visit) -> Response[Any]:
    """Post the points once the reader has seen what that does, and confirmed a large amount."""
    entry = _entry(visit)
    errors = _texts(visit, entry)
    amount = entry.amount
    step = points_form.next_step(entry)
    if errors or amount is None:
        return await _show(visit, entry, errors=errors, status=422)
    if step != "send" or visit.field("edit"):
        return await _show(visit, entry, errors={}, step="edit" if visit.field("edit") else step)
    outcome = await customer_writes.post_points(
        visit.writing,
        action_of(visit, _SCOPES),
        visit.query("id"),
        points=amount,
        reason=entry.reason,
        expires_on=points_form.last_day(entry),
        idempotency_key=idempotency_key(visit),
    )
    if isinstance(outcome, Refusal):
        outcome = _explain(visit, outcome)
    if isinstance(outcome, Refusal | UnknownOutcome):
        return await show_again(outcome, partial(_show, visit, entry))
    return await show_posted(visit, outcome, visit.text("customer.points.done"))


async def _show(
    visit: Visit,
    entry: Entry,
    *,
    errors: dict[str, str],
    step: Step = "edit",
    status: int = 200,
    refused_status: int = 422,
    unknown: UnknownOutcome | None = None,
) -> Response[Any]:
    action, customer_id = action_of(visit, _SCOPES), visit.query("id")
    account, program = await customer.load_before(visit.client, customer_id)
    effect = None
    # After an unknown outcome, what the account has may already contain the points.
    if entry.amount is not None and unknown is None and not isinstance(account, Failed):
        tiers = customer.tiers_of(program)
        effect = points_form.effect_of(action, entry.amount, customer.account_of(account), tiers)
    if effect is not None and action == "adjust" and effect.is_below_zero:
        errors = {"points": visit.text("customer.error.below_zero")} | errors
        effect, step, status = None, "edit", refused_status if status == 200 else status
    form = Form(
        action=action,
        customer_id=customer_id,
        idempotency_key=idempotency_key(visit),
        entry=entry,
        step=step,
        status=account,
        effect=effect,
        offers_expiry=_offers_expiry(entry, account, program),
        errors=errors,
        unknown=unknown,
    )
    return await visit.page(
        "pages/customer_points.html", page="customers", status=status, form=form
    )


def _offers_expiry(
    entry: Entry, status: CustomerStatus | Failed | None, program: Program | Failed | None
) -> bool:
    """Whether to ask when the points expire: where the program's do or some of this customer's, and where
    the reader has chosen already."""
    has_rule = isinstance(program, Program) and program.expiry is not None
    has_dates = isinstance(status, CustomerStatus) and status.next_expiration is not None
    return has_rule or has_dates or entry.expires != "rule"


def _entry(visit: Visit) -> Entry:
    return Entry(
        points=visit.field("points"),
        reason=visit.field("reason"),
        direction=visit.field("direction") or "add",
        expires=_expires(visit),
        expires_on=visit.field("expires_on"),
        preview=visit.field("preview"),
        is_confirmed=visit.field("confirmed") == "yes",
        is_locked=visit.field("locked") == "yes",
    )


def _expires(visit: Visit) -> Expires:
    choices: tuple[Expires, ...] = get_args(Expires)
    return next((one for one in choices if one == visit.field("expires")), "rule")


def _explain(visit: Visit, refusal: Refusal) -> Refusal:
    """The refusal with a text of our own for the last day: the store's clock and zone say which days are
    possible."""
    if "expires_on" not in refusal.errors:
        return refusal
    errors = {**refusal.errors, "expires_on": visit.text("customer.error.expires_on")}
    return Refusal(errors, refusal.is_invalid)


def _texts(visit: Visit, entry: Entry) -> dict[str, str]:
    return {name: visit.text(f"customer.error.{name}") for name in points_form.problems(entry)}


ROUTES: Final[tuple[ControllerRouterHandler, ...]] = (show_form, show_effect, post_points)
