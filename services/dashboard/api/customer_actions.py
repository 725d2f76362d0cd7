"""What is done to an account or a redemption: suspend and reactivate, cancel and mark as used."""

from functools import partial
from typing import Any, Final, Literal

from litestar import Response, get, post
from litestar.types import ControllerRouterHandler
from msgspec import Struct

from services.dashboard.api.customer_forms import action_of, show_again
from services.dashboard.api.forms import idempotency_key
from services.dashboard.api.visit import Visit
from services.dashboard.domain.navigation import link
from services.dashboard.handlers import customer, customer_writes
from services.dashboard.handlers.customer_writes import Refusal, UnknownOutcome
from services.dashboard.handlers.panels import Failed, attempt
from services.dashboard.store.sessions import Toast
from whale_loyalty.models import CustomerStatus, Redemption

Action = Literal["suspend", "reactivate", "cancel", "use"]

_SCOPES: Final[dict[Action, str]] = {
    "suspend": "manage",
    "reactivate": "manage",
    "cancel": "redeem",
    "use": "redeem",
}
_LONGEST_NOTE: Final = 255


class Form(Struct, frozen=True, kw_only=True):
    """What the page shows; `redemption` if the action is about one."""

    action: Action
    customer_id: str
    idempotency_key: str
    note: str
    status: CustomerStatus | Failed | None
    held_orders: int | Failed
    redemption: Redemption | Failed | None
    errors: dict[str, str]
    is_locked: bool
    # It undoes a suspension that may not have reached the account yet.
    is_undo: bool = False
    unknown: UnknownOutcome | None = None

    @property
    def is_about_redemption(self) -> bool:
        return self.action in {"cancel", "use"}

    @property
    def moves_dates(self) -> bool:
        """Whether the customer has points that wait or expire, which a suspension stops."""
        if self.is_about_redemption or not isinstance(self.status, CustomerStatus):
            return False
        return bool(self.status.points_pending or self.status.next_expiration)

    @property
    def is_done_already(self) -> bool:
        """Whether somebody else did it meanwhile, or did the opposite."""
        if self.is_locked or self.is_undo:
            return False
        if self.is_about_redemption:
            return isinstance(self.redemption, Redemption) and self.redemption.status != "confirmed"
        target = "suspended" if self.action == "suspend" else "active"
        return isinstance(self.status, CustomerStatus) and self.status.status == target


@get("/customer/action", operation_id="dashboardCustomerForm")
async def show_form(visit: Visit) -> Response[Any]:
    """The form, for `do=suspend`, `reactivate`, `cancel` or `use`."""
    return await _show(visit, errors={})


@post("/customer/action", operation_id="dashboardCustomerAction", status_code=200)
async def act(visit: Visit) -> Response[Any]:
    """Do it."""
    action = action_of(visit, _SCOPES)
    errors = _problems(visit, action)
    if errors:
        return await _show(visit, errors=errors, status=422)
    if _is_undo(visit, action):
        errors = await _suspension_missing(visit)
        if errors:
            return await _show(visit, errors=errors, status=409)
    outcome = await _send(visit, action)
    if isinstance(outcome, Refusal | UnknownOutcome):
        return await show_again(outcome, partial(_show, visit))
    customer_id = outcome.customer_id
    if action in {"cancel", "use"}:
        address = link("customer", id=customer_id, tab="redemptions")
        return await visit.redirect(address, Toast(visit.text(f"customer.done.{action}")))
    return await visit.redirect(link("customer", id=customer_id), _status_toast(visit, action))


def _is_undo(visit: Visit, action: Action) -> bool:
    return action == "reactivate" and visit.query("suspended") == "yes"


async def _suspension_missing(visit: Visit) -> dict[str, str]:
    """Why a suspension can't be undone yet. One that a review decided reaches the account a moment later
    and would undo a reactivation before it."""
    customer_id = visit.query("id")
    if await customer_writes.is_suspended_soon(visit.writing, customer_id):
        return {}
    return {"": visit.text("customer.not_suspended_yet")}


async def _send(visit: Visit, action: Action) -> Any:
    key = idempotency_key(visit)
    if action in {"cancel", "use"}:
        return await customer_writes.settle_redemption(
            visit.writing,
            visit.query("redemption"),
            is_cancel=action == "cancel",
            idempotency_key=key,
        )
    return await customer_writes.set_status(
        visit.writing,
        visit.query("id"),
        status="suspended" if action == "suspend" else "active",
        note=visit.field("note"),
        idempotency_key=key,
    )


async def _show(
    visit: Visit,
    *,
    errors: dict[str, str],
    status: int = 200,
    unknown: UnknownOutcome | None = None,
) -> Response[Any]:
    action, customer_id = action_of(visit, _SCOPES), visit.query("id")
    redemption: Redemption | Failed | None = None
    held: int | Failed = 0
    if action in {"cancel", "use"}:
        retrieve = visit.client.loyalty.redemptions.retrieve
        redemption = await attempt(retrieve(visit.query("redemption")))
    elif action == "reactivate":
        held = await attempt(customer.count_held_orders(visit.client, customer_id))
    form = Form(
        action=action,
        customer_id=customer_id,
        idempotency_key=idempotency_key(visit),
        note=visit.field("note"),
        status=await attempt(customer.find_status(visit.client, customer_id)),
        held_orders=held,
        redemption=redemption,
        errors=errors,
        is_locked=unknown is not None,
        is_undo=_is_undo(visit, action),
        unknown=unknown,
    )
    return await visit.page(
        "pages/customer_action.html", page="customers", status=status, form=form
    )


def _status_toast(visit: Visit, action: Action) -> Toast:
    """What was done; a suspension with the way back."""
    text = visit.text(f"customer.done.{action}")
    if action == "reactivate":
        return Toast(text)
    return Toast(
        text,
        undo_url=link("customer/action", id=visit.query("id"), do="reactivate"),
        undo_label=visit.text("customer.reactivate"),
    )


def _problems(visit: Visit, action: Action) -> dict[str, str]:
    note = visit.field("note")
    if len(note) > _LONGEST_NOTE or (action == "suspend" and not note):
        return {"note": visit.text("customer.error.note")}
    return {}


ROUTES: Final[tuple[ControllerRouterHandler, ...]] = (show_form, act)
