"""What an event must be to become a posting: the bounds of orders, checked one by one.

Source of the bounds: the API's documentation, "Bounds". Types have been checked by the schema.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from libs.contracts.events import OrderCompleted, OrderRefunded, ShopEvent, ShopId
from libs.contracts.numbers import is_amount
from libs.kernel import ids
from libs.kernel.clock import truncate
from libs.kernel.ids import OTHER_ID, STORE_ID
from services.earning.domain.postings import Order, Refund

_CURRENCY: Final = re.compile(r"[A-Z]{3}")
# Shops send 1970-01-01 for "never", in whatever time zone.
_EARLIEST: Final = datetime(1970, 1, 2, tzinfo=UTC)
# Clocks of shops run ahead; a day allows for a time zone taken for UTC.
_AHEAD: Final = timedelta(hours=24)


class OutOfBounds(ValueError):
    """The event can be read, but breaks a bound; the message names the field."""


def is_guests(event: ShopEvent) -> bool:
    """Whether the event names no customer: it is absent, null, "" or the number 0."""
    return not event.customer_id


def order_of(event: OrderCompleted, *, now: datetime) -> Order:
    """The posting that the order of a customer asks for; raises OutOfBounds."""
    _check(_CURRENCY.fullmatch(event.currency), "currency: three capital letters, as in USD")
    _check(is_amount(event.total), f"total: {_MONEY}")
    order_id = _readable(event.order_id, "order_id")
    return Order(
        store_id=_store_id(event),
        customer_id=customer_id_of(event),
        order_id=order_id,
        total=event.total,
        currency=event.currency,
        program_id=None if event.program_id is None else _readable(event.program_id, "program_id"),
        reason=_reason(event, order_id),
        occurred_at=moment_of(event.completed_at, "completed_at", now=now),
    )


def refund_of(event: OrderRefunded, *, now: datetime) -> Refund:
    """The posting that the refund of a customer's order asks for; raises OutOfBounds."""
    if event.amount is not None:
        _check(is_amount(event.amount), f"amount: {_MONEY}")
    return Refund(
        store_id=_store_id(event),
        customer_id=customer_id_of(event),
        order_id=_readable(event.order_id, "order_id"),
        refund_id=_readable(event.refund_id, "refund_id"),
        amount=event.amount,
        occurred_at=moment_of(event.refunded_at, "refunded_at", now=now),
    )


def customer_id_of(event: ShopEvent) -> str:
    """The customer's id as it is kept; raises OutOfBounds."""
    found = ids.customer_id(str(event.customer_id))
    if found is None:
        raise OutOfBounds(f"customer_id: {_CUSTOMER_ID}")
    return found


def _store_id(event: ShopEvent) -> str:
    store_id = str(event.store_id)
    _check(STORE_ID.fullmatch(store_id), "store_id: 1-64 of A-Za-z0-9_-")
    return store_id


def _readable(shop_id: ShopId, field: str) -> str:
    text = str(shop_id)
    _check(OTHER_ID.fullmatch(text), f"{field}: {_READABLE}")
    return text


def moment_of(moment: datetime, field: str, *, now: datetime) -> datetime:
    """The event's own time, in UTC; raises OutOfBounds for one that cannot be."""
    _check(moment >= _EARLIEST, f"{field}: before 1970-01-02")
    _check(moment <= now + _AHEAD, f"{field}: more than 24 hours ahead")
    return truncate(moment)


def _reason(event: OrderCompleted, order_id: str) -> str:
    """What the entry says: `Order #1042` where the shop numbers its orders, else the order's id."""
    if event.order_number is None:
        return f"Order {order_id}"
    number = _readable(event.order_number, "order_number")
    return f"Order #{number.removeprefix('#')}"


_CUSTOMER_ID: Final = "1-128 letters and digits of any script and _ . : @ + | = ~ - ' ! $ & *"
_MONEY: Final = (
    "from 0 to 1,000,000,000,000 with up to six decimals, without a sign, and as a number without "
    "an exponent beyond 30"
)
_READABLE: Final = "1-128 characters, none of them a control character"


def _check(holds: object, rule: str) -> None:
    if not holds:
        raise OutOfBounds(rule)
