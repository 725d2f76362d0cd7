"""Orders and refunds, and what became of each."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from whale_loyalty.models.base import Model
from whale_loyalty.values import LetterCode, OrderState, RefundState, SkipReason, ZeroReason


class OrderLetter(Model, frozen=True, kw_only=True):
    """A dead letter of an order: `code` and `detail` say why a record could not be processed."""

    id: str
    code: LetterCode
    detail: str
    dead_at: datetime


class Order(Model, frozen=True, kw_only=True):
    """An order, and what became of it.

    `state` is counted, held, skipped or refused (known only by its dead letters). `award` is the whole
    award, `pending` the points of it that wait before they can be spent, `given_up` those that were never
    available, since the fulfillment did not arrive in time, `clawed_back` the points that refunds and voids
    took, `refunded` money. If there are no points, `skip_reason` (skipped) or `zero_reason` (counted) says
    why; a held order waits for its customer's account.
    """

    order_id: str
    state: OrderState
    award: int
    clawed_back: int
    refunded: Decimal
    recorded_at: datetime
    order_number: str | None = None
    customer_id: str | None = None
    skip_reason: SkipReason | None = None
    skip_detail: str | None = None
    zero_reason: ZeroReason | None = None
    dead_letters: list[OrderLetter] = []
    total: Decimal | None = None
    currency: str | None = None
    program_id: str | None = None
    tier: str | None = None
    multiplier: Decimal | None = None
    transaction_id: str | None = None
    completed_at: datetime | None = None
    pending: int = 0
    given_up: int = 0
    available_at: datetime | None = None
    expires_on: date | None = None


class OrderVerdict(Model, frozen=True, kw_only=True):
    """The result of one check: `order` as it is now with status 200, else `problem`."""

    order_id: str
    status: int
    order: Order | None = None
    problem: dict[str, Any] | None = None


class OrderVerdicts(Model, frozen=True, kw_only=True):
    """The result of each check, in the order of the request."""

    data: list[OrderVerdict]


class Refund(Model, frozen=True, kw_only=True):
    """A refund of an order, and what became of it.

    `state` is counted, waiting (for its order) or conflict, with the reason in `detail`. `amount` is None if
    it refunds the rest of the order; `clawed_back` is in points.
    """

    id: str
    refund_id: str
    order_id: str
    customer_id: str
    state: RefundState
    refunded_at: datetime
    recorded_at: datetime
    detail: str | None = None
    amount: Decimal | None = None
    clawed_back: int | None = None
    transaction_id: str | None = None
