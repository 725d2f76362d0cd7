"""The bounds of order.completed and order.refunded: an event becomes a posting or breaks a bound.

Source of the bounds: the API's documentation, "Bounds". The schema has checked the types.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from libs.contracts.events import OrderCompleted, OrderRefunded, ShopEvent, ShopId
from libs.contracts.numbers import is_amount
from libs.kernel import ids
from libs.kernel.clock import truncate
from libs.kernel.ids import OTHER_ID, STORE_ID
from services.earning.domain.order_records import Order
from services.earning.domain.refunds import Refund

_CURRENCY: Final = re.compile(r"[A-Z]{3}")
# Shops send 1970-01-01, in any time zone, for "never".
_EARLIEST: Final = datetime(1970, 1, 2, tzinfo=UTC)
# Shops' clocks run ahead; a day also allows for local time sent as UTC.
_MAX_AHEAD: Final = timedelta(hours=24)

_MONEY_RULE: Final = (
    "must be from 0 to 1,000,000,000,000, without a sign, and with up to six decimal places; the "
    "exponent of a JSON number must be from -30 to 30"
)
_ID_RULE: Final = "must have 1 to 128 characters, none of them control characters"


class OutOfBounds(ValueError):
    """The event is readable but breaks a bound. The message is `field: rule`."""


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
    return Order(
        store_id=_read_store_id(event),
        customer_id=read_customer_id(event),
        order_id=order_id,
        total=event.total,
        currency=event.currency,
        program_id=None if event.program_id is None else _read_id(event.program_id, "program_id"),
        reason=_reason(event, order_id),
        occurred_at=_read_time(event.completed_at, "completed_at", now=now),
    )


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
    _check(time <= now + _MAX_AHEAD, f"{field}: must not be more than 24 hours in the future")
    return truncate(time)


def _reason(event: OrderCompleted, order_id: str) -> str:
    """The entry's reason: `Order #1042` if the shop numbers its orders, else the order's id."""
    if event.order_number is None:
        return f"Order {order_id}"
    number = _read_id(event.order_number, "order_number")
    return f"Order #{number.removeprefix('#')}"


def _check(holds: object, rule: str) -> None:
    if not holds:
        raise OutOfBounds(rule)
