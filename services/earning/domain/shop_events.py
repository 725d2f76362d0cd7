"""The bounds of the events of shops: an event becomes a posting or breaks a bound.

Source of the bounds: the API's documentation, "Bounds". The schema has checked the types.
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from libs.contracts.events import (
    OrderCompleted,
    OrderFulfilled,
    OrderRefunded,
    ShopEvent,
    ShopId,
)
from libs.contracts.numbers import is_amount
from libs.kernel import ids
from libs.kernel.clock import truncate
from libs.kernel.ids import OTHER_ID, STORE_ID, are_ascii_customer_ids, are_other_ids
from services.earning.domain.fulfillments import Fulfillment
from services.earning.domain.order_records import Order
from services.earning.domain.refunds import Refund

_CURRENCY: Final = re.compile(r"[A-Z]{3}")
# Shops send 1970-01-01, in any time zone, for "never".
_EARLIEST: Final = datetime(1970, 1, 2, tzinfo=UTC)
# Shops' clocks run ahead; a day also allows for local time sent as UTC.
MAX_AHEAD: Final = timedelta(hours=24)

_MONEY_RULE: Final = (
    "must be from 0 to 1,000,000,000,000, without a sign, and with up to six decimal places; the "
    "exponent of a JSON number must be from -30 to 30"
)
_ID_RULE: Final = "must have 1 to 128 characters, none of them control characters"


class OutOfBounds(ValueError):
    """The event is readable but breaks a bound. The message is `field: rule`."""


class TooFarAhead(OutOfBounds):
    """The event's time is too far in the future."""


def is_guest(event: ShopEvent) -> bool:
    """Whether the event has no customer: its `customer_id` is absent, null, "" or the number 0."""
    return not event.customer_id


def build_order(event: OrderCompleted, *, now: datetime) -> Order:
    """The posting for a customer's order; raises OutOfBounds."""
    _check(
        _CURRENCY.fullmatch(event.currency),
        "currency: must be a currency code of three capital letters, such as USD",
    )
    _check(is_amount(event.total), f"total: {_MONEY_RULE}")
    order_id = _read_id(event.order_id, "order_id")
    number = event.order_number
    if number is not None:
        number = _read_id(number, "order_number")
    return Order(
        store_id=_read_store_id(event),
        customer_id=read_customer_id(event),
        order_id=order_id,
        total=event.total,
        currency=event.currency,
        program_id=None if event.program_id is None else _read_id(event.program_id, "program_id"),
        reason=_reason(number, order_id),
        occurred_at=_read_time(event.completed_at, "completed_at", now=now),
        items=event.items,
    )


def build_orders(events: Sequence[OrderCompleted], *, now: datetime) -> list[Order]:
    """The postings for customers' orders that are as most are: their bounds are checked for all together,
    which costs a fifth. Raises any exception if an order is not, or breaks a bound; `build_order` then
    says what is wrong with which."""
    if not events:
        return []
    store_ids = [str(event.store_id) for event in events]
    customer_ids = [str(event.customer_id) for event in events]
    order_ids = [str(event.order_id) for event in events]
    numbers = [None if (n := event.order_number) is None else str(n) for event in events]
    program_ids = [None if (p := event.program_id) is None else str(p) for event in events]
    currencies = [event.currency for event in events]
    totals = [event.total for event in events]
    times = [event.completed_at for event in events]
    _check(
        all(map(STORE_ID.fullmatch, set(store_ids)))
        and are_ascii_customer_ids(customer_ids)
        and are_other_ids(order_ids)
        and are_other_ids([number for number in numbers if number is not None])
        and are_other_ids([program_id for program_id in program_ids if program_id is not None])
        and all(map(_CURRENCY.fullmatch, set(currencies)))
        and all(map(is_amount, totals))
        and min(times) >= _EARLIEST
        and max(times) <= now + MAX_AHEAD,
        "an order breaks a bound",
    )
    reasons = map(_reason, numbers, order_ids)
    moments = map(truncate, times)
    items = [event.items for event in events]
    columns = store_ids, customer_ids, order_ids, totals, currencies, program_ids, reasons, moments
    return list(map(Order, *columns, items))


def build_refund(event: OrderRefunded, *, now: datetime) -> Refund:
    """The posting for a refund of a customer's order; raises OutOfBounds."""
    if event.amount is not None:
        _check(is_amount(event.amount), f"amount: {_MONEY_RULE}")
    return Refund(
        store_id=_read_store_id(event),
        customer_id=read_customer_id(event),
        order_id=_read_id(event.order_id, "order_id"),
        refund_id=_read_id(event.refund_id, "refund_id"),
        amount=event.amount,
        occurred_at=_read_time(event.refunded_at, "refunded_at", now=now),
    )


def build_refunds(events: Sequence[OrderRefunded], *, now: datetime) -> list[Refund]:
    """The postings for refunds of customers' orders; raises OutOfBounds."""
    return [build_refund(event, now=now) for event in events]


def build_fulfillment(event: OrderFulfilled, *, now: datetime) -> Fulfillment:
    """The posting for the fulfillment of a customer's order; raises OutOfBounds."""
    return Fulfillment(
        store_id=_read_store_id(event),
        customer_id=read_customer_id(event),
        order_id=_read_id(event.order_id, "order_id"),
        fulfilled_at=_read_time(event.fulfilled_at, "fulfilled_at", now=now),
    )


def build_fulfillments(events: Sequence[OrderFulfilled], *, now: datetime) -> list[Fulfillment]:
    """The postings for fulfillments of customers' orders; raises OutOfBounds."""
    return [build_fulfillment(event, now=now) for event in events]


def read_customer_id(event: ShopEvent) -> str:
    """The customer's id in normal form C; raises OutOfBounds."""
    customer_id = ids.customer_id(str(event.customer_id))
    if customer_id is None:
        raise OutOfBounds(f"customer_id: {ids.CUSTOMER_ID_RULE}")
    return customer_id


def _read_store_id(event: ShopEvent) -> str:
    store_id = str(event.store_id)
    _check(
        STORE_ID.fullmatch(store_id),
        "store_id: must have 1 to 64 letters, digits, underscores or hyphens",
    )
    return store_id


def _read_id(shop_id: ShopId, field: str) -> str:
    text = str(shop_id)
    _check(OTHER_ID.fullmatch(text), f"{field}: {_ID_RULE}")
    return text


def _read_time(time: datetime, field: str, *, now: datetime) -> datetime:
    _check(time >= _EARLIEST, f"{field}: must not be before 1970-01-02")
    if time > now + MAX_AHEAD:
        raise TooFarAhead(f"{field}: must not be more than 24 hours in the future")
    return truncate(time)


def _reason(number: str | None, order_id: str) -> str:
    """The entry's reason: `Order #1042` if the shop numbers its orders, else the order's id."""
    return f"Order {order_id}" if number is None else f"Order #{number.removeprefix('#')}"


def _check(holds: object, rule: str) -> None:
    if not holds:
        raise OutOfBounds(rule)
