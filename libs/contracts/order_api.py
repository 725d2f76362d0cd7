"""Requests and responses of /v1 about orders: refunds, dead letters, and skipped orders checked again."""

from typing import Literal

from msgspec import UNSET, Raw, UnsetType

from libs.contracts.api import DeadLetter, Order, Request, Response

RefundState = Literal["counted", "waiting", "conflict"]


class Refund(Response, frozen=True, kw_only=True):
    """A refund of an order. `amount` is money, left out if it refunds the rest of the order; `clawed_back`
    is in points, by `transaction_id`. One that is `waiting` counts once its order does; if it then
    contradicts the order, it becomes a `conflict`, with the reason in `detail`. `refund_id` is the shop's
    and belongs to its order, `id` is that of the list.
    """

    id: str
    refund_id: str
    order_id: str
    customer_id: str
    state: RefundState
    detail: str | UnsetType = UNSET
    amount: str | UnsetType = UNSET
    clawed_back: int | UnsetType = UNSET
    transaction_id: str | UnsetType = UNSET
    refunded_at: str
    recorded_at: str


class DeadLetterReplay(Request, frozen=True, kw_only=True):
    """The ids of the dead letters to replay."""

    ids: list[str]


class DeadLetterVerdict(Response, frozen=True, kw_only=True):
    """The outcome of one letter: the replayed letter with status 200, else a problem."""

    id: str
    status: int
    dead_letter: DeadLetter | UnsetType = UNSET
    problem: Raw | UnsetType = UNSET


class DeadLetterVerdicts(Response, frozen=True, kw_only=True):
    """The outcome of each letter, in the order of the request."""

    data: list[DeadLetterVerdict]


class OrderRelease(Request, frozen=True, kw_only=True):
    """The id of the order whose points are released."""

    order_id: str


class OrderRecheck(Request, frozen=True, kw_only=True):
    """The ids of the orders to check again."""

    order_ids: list[str]


class OrderVerdict(Response, frozen=True, kw_only=True):
    """The outcome of one order: the order as it is now with status 200, else a problem."""

    order_id: str
    status: int
    order: Order | UnsetType = UNSET
    problem: Raw | UnsetType = UNSET


class OrderVerdicts(Response, frozen=True, kw_only=True):
    """The outcome of each order, in the order of the request."""

    data: list[OrderVerdict]
