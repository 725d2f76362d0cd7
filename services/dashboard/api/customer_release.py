"""The release of an order's pending points: a page that says what it does, and does it."""

from functools import partial
from typing import Any, Final

from litestar import Response, get, post
from litestar.types import ControllerRouterHandler
from msgspec import Struct

from libs.kernel.errors import NotFound
from services.dashboard.api.customer_forms import show_again, show_posted
from services.dashboard.api.forms import idempotency_key
from services.dashboard.api.visit import Visit
from services.dashboard.domain import points_form
from services.dashboard.domain.points_form import Action, Effect
from services.dashboard.handlers import customer, customer_writes
from services.dashboard.handlers.customer_writes import Refusal, UnknownOutcome
from services.dashboard.handlers.panels import Failed, attempt
from whale_loyalty.models import CustomerStatus, Order


class Form(Struct, frozen=True, kw_only=True):
    """What the page shows; no `effect` where it is not known."""

    customer_id: str
    order_id: str
    idempotency_key: str
    order: Order | Failed
    status: CustomerStatus | Failed | None
    effect: Effect | None
    errors: dict[str, str]
    unknown: UnknownOutcome | None = None
    action: Action = "release"

    @property
    def is_done_already(self) -> bool:
        """Whether nothing of the order is pending, such as after a release by somebody else."""
        return self.unknown is None and isinstance(self.order, Order) and not self.order.pending


@get("/customer/release", operation_id="dashboardReleaseForm")
async def show_form(visit: Visit) -> Response[Any]:
    """What a release of the order's points would do."""
    return await _show(visit, errors={})


@post("/customer/release", operation_id="dashboardReleasePoints", status_code=200)
async def release_points(visit: Visit) -> Response[Any]:
    """Release them."""
    visit.require("earn")
    outcome = await customer_writes.release_points(
        visit.writing, visit.query("order"), idempotency_key=idempotency_key(visit)
    )
    if isinstance(outcome, Refusal):
        # No field of this page can be invalid.
        outcome = Refusal({"": " ".join(outcome.errors.values())})
    if isinstance(outcome, Refusal | UnknownOutcome):
        return await show_again(outcome, partial(_show, visit))
    return await show_posted(visit, outcome, visit.text("customer.release.done"))


async def _show(
    visit: Visit,
    *,
    errors: dict[str, str],
    status: int = 200,
    unknown: UnknownOutcome | None = None,
) -> Response[Any]:
    visit.require("earn")
    customer_id, order_id = visit.query("id"), visit.query("order")
    order: Order | Failed | None = None
    if order_id:
        order = await attempt(customer.find_order(visit.client, customer_id, order_id))
    if order is None:
        raise NotFound("This customer has no such order.")
    account, program = await customer.load_before(visit.client, customer_id)
    effect = None
    # After an unknown outcome, what the account has may already contain the points.
    if isinstance(order, Order) and isinstance(account, CustomerStatus) and unknown is None:
        before, tiers = customer.account_of(account), customer.tiers_of(program)
        effect = points_form.effect_of("release", order.pending, before, tiers)
    form = Form(
        customer_id=customer_id,
        order_id=order_id,
        idempotency_key=idempotency_key(visit),
        order=order,
        status=account,
        effect=effect,
        errors=errors,
        unknown=unknown,
    )
    return await visit.page(
        "pages/customer_release.html", page="customers", status=status, form=form
    )


ROUTES: Final[tuple[ControllerRouterHandler, ...]] = (show_form, release_points)
