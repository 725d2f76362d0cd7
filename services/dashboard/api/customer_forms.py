"""What the forms about a customer share: their action, and what is shown after their write."""

from collections.abc import Awaitable, Mapping
from typing import Any, Protocol, TypeVar

from litestar import Response

from libs.kernel.errors import NotFound
from services.dashboard.api.visit import Visit
from services.dashboard.domain import formatting
from services.dashboard.domain.navigation import link
from services.dashboard.handlers.customer_writes import Refusal, UnknownOutcome
from services.dashboard.store.sessions import Toast
from whale_loyalty.models import Transaction

A = TypeVar("A", bound=str)


class ShowForm(Protocol):
    """Renders the form, with the reason why it is shown again."""

    def __call__(
        self, *, errors: dict[str, str], status: int, unknown: UnknownOutcome | None = None
    ) -> Awaitable[Response[Any]]: ...


def action_of(visit: Visit, scopes: Mapping[A, str]) -> A:
    """The form's action, one of the keys of `scopes`. Raises NotFound for an unknown action, and Forbidden
    without its scope."""
    action = next((one for one in scopes if one == visit.query("do")), None)
    if action is None:
        raise NotFound("There is no such form.")
    visit.require(scopes[action])
    return action


async def show_again(outcome: Refusal | UnknownOutcome, show_form: ShowForm) -> Response[Any]:
    """The form again, after a write that was refused or may have happened."""
    if isinstance(outcome, UnknownOutcome):
        return await show_form(errors={}, status=503, unknown=outcome)
    return await show_form(errors=dict(outcome.errors), status=422 if outcome.is_invalid else 409)


async def show_posted(visit: Visit, posted: Transaction, text: str) -> Response[Any]:
    """The customer, whose page says what was posted: `text`, with the points and the balance in it."""
    done = text % {
        "points": formatting.signed(posted.points),
        "balance": formatting.number(posted.balance_after),
    }
    return await visit.redirect(link("customer", id=posted.customer_id), Toast(done))
