"""What an event must be to become a posting: the bounds of orders, told one by one.

Source of the bounds: the API's documentation, "Bounds". Types have been checked by the schema.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from libs.contracts.events import OrderCompleted, OrderRefunded
from libs.contracts.numbers import MAX_TOTAL, fits
from libs.kernel.clock import truncate
from libs.kernel.ids import CUSTOMER_ID, OTHER_ID, STORE_ID
from services.earning.domain.postings import Order, Refund

_CURRENCY: Final = re.compile(r"[A-Z]{3}")
_EARLIEST: Final = datetime(1970, 1, 1, tzinfo=UTC)
# Clocks of shops run ahead; a day allows for a time zone taken for UTC.
_AHEAD: Final = timedelta(hours=24)


class OutOfBounds(ValueError):
    """The event can be read, but breaks a bound; the message names the field."""


def order_of(event: OrderCompleted, *, now: datetime) -> Order:
    """The posting that `event` asks for; raises OutOfBounds."""
    _check_ids(event)
    _check(_CURRENCY.fullmatch(event.currency), "currency: three capital letters, as in USD")
    _check(fits(event.total, low=0, high=MAX_TOTAL), f"total: {_MONEY}")
    if event.program_id is not None:
        _check(OTHER_ID.fullmatch(event.program_id), f"program_id: {_READABLE}")
    return Order(
        store_id=event.store_id,
        customer_id=event.customer_id,
        order_id=event.order_id,
        total=event.total,
        currency=event.currency,
        program_id=event.program_id,
        reason=_reason(event),
        occurred_at=moment_of(event.completed_at, "completed_at", now=now),
    )


def refund_of(event: OrderRefunded, *, now: datetime) -> Refund:
    """The posting that `event` asks for; raises OutOfBounds."""
    _check_ids(event)
    _check(OTHER_ID.fullmatch(event.refund_id), f"refund_id: {_READABLE}")
    if event.amount is not None:
        _check(fits(event.amount, low=0, high=MAX_TOTAL), f"amount: {_MONEY}")
    return Refund(
        store_id=event.store_id,
        customer_id=event.customer_id,
        order_id=event.order_id,
        refund_id=event.refund_id,
        amount=event.amount,
        occurred_at=moment_of(event.refunded_at, "refunded_at", now=now),
    )


def _check_ids(event: OrderCompleted | OrderRefunded) -> None:
    _check(STORE_ID.fullmatch(event.store_id), "store_id: 1-64 of A-Za-z0-9_-")
    _check(CUSTOMER_ID.fullmatch(event.customer_id), "customer_id: 1-128 of A-Za-z0-9_.:@+|=~-")
    _check(OTHER_ID.fullmatch(event.order_id), f"order_id: {_READABLE}")


def moment_of(moment: datetime, field: str, *, now: datetime) -> datetime:
    """The event's own time, in UTC; raises OutOfBounds for one that cannot be."""
    _check(moment >= _EARLIEST, f"{field}: before 1970")
    _check(moment <= now + _AHEAD, f"{field}: more than 24 hours ahead")
    return truncate(moment)


def _reason(event: OrderCompleted) -> str:
    """What the entry says: `Order #1042` where the shop numbers its orders, else the order's id."""
    if event.order_number is None:
        return f"Order {event.order_id}"
    number = str(event.order_number)
    _check(OTHER_ID.fullmatch(number), f"order_number: {_READABLE}")
    return f"Order #{number.removeprefix('#')}"


_MONEY: Final = "from 0 to 1,000,000,000,000 with up to six decimals"
_READABLE: Final = "1-128 characters, none of them a control character"


def _check(holds: object, rule: str) -> None:
    if not holds:
        raise OutOfBounds(rule)
