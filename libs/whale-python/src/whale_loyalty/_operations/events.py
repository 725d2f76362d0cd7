"""A shop's events over REST, as CloudEvents, for shops without Kafka."""

import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from msgspec import UNSET, UnsetType

from whale_loyalty._operation import Operation, given, write
from whale_loyalty.models import EventInput, EventsAnswer

_ONE: Final = "application/cloudevents+json"
_MANY: Final = "application/cloudevents-batch+json"
_SOURCE: Final = "/clients/python"

Money = Decimal | float | str
Moment = datetime | str


def send(event: EventInput, *, idempotency_key: str | None = None) -> Operation[EventsAnswer]:
    """Send one event; a faulty one is refused with InvalidRequest."""
    return write(
        "POST",
        "events",
        EventsAnswer,
        body=_envelope(event),
        content_type=_ONE,
        idempotency_key=idempotency_key,
    )


def send_batch(
    events: Sequence[EventInput], *, idempotency_key: str | None = None
) -> Operation[EventsAnswer]:
    """Send up to 500 events; each has its own verdict, in order."""
    return write(
        "POST",
        "events",
        EventsAnswer,
        body=[_envelope(event) for event in events],
        content_type=_MANY,
        idempotency_key=idempotency_key,
    )


def order_completed(
    *,
    order_id: str,
    customer_id: str,
    total: Money,
    currency: str,
    completed_at: Moment,
    order_number: str | int | UnsetType = UNSET,
    program_id: str | UnsetType = UNSET,
    items: Sequence[Mapping[str, Any]] | UnsetType = UNSET,
    idempotency_key: str | None = None,
) -> Operation[EventsAnswer]:
    """Tell that an order was completed: it earns points, once, however often it is told."""
    order = given(
        order_id=order_id,
        customer_id=customer_id,
        total=total,
        currency=currency,
        completed_at=completed_at,
        order_number=order_number,
        program_id=program_id,
        items=items,
    )
    return send({"type": "order.completed", "data": order}, idempotency_key=idempotency_key)


def order_refunded(
    *,
    order_id: str,
    customer_id: str,
    refund_id: str,
    refunded_at: Moment,
    amount: Money | UnsetType = UNSET,
    idempotency_key: str | None = None,
) -> Operation[EventsAnswer]:
    """Tell that an order was refunded, in part (`amount`) or by all that is left of it."""
    refund = given(
        order_id=order_id,
        customer_id=customer_id,
        refund_id=refund_id,
        refunded_at=refunded_at,
        amount=amount,
    )
    return send({"type": "order.refunded", "data": refund}, idempotency_key=idempotency_key)


def _envelope(event: EventInput) -> dict[str, Any]:
    """The event as a CloudEvent. Its value names no store: the service knows it by the path."""
    return {
        "specversion": "1.0",
        "id": str(uuid.uuid4()),
        "source": _SOURCE,
        "time": datetime.now(UTC),
        "datacontenttype": "application/json",
        **event,
    }
