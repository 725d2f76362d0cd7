"""Events over REST as CloudEvents, for shops that do not publish to Kafka."""

import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from msgspec import UNSET, UnsetType

from whale_loyalty._operation import Operation, without_unset, write
from whale_loyalty.models import EventInput, EventsAnswer

_MEDIA_TYPE: Final = "application/cloudevents+json"
_BATCH_MEDIA_TYPE: Final = "application/cloudevents-batch+json"
_SOURCE: Final = "/clients/python"

Money = Decimal | float | str
Moment = datetime | str


def send(event: EventInput, *, idempotency_key: str | None = None) -> Operation[EventsAnswer]:
    """Send one event. Raises InvalidRequest if the event is invalid."""
    return write(
        "POST",
        "events",
        EventsAnswer,
        body=_envelope(event),
        content_type=_MEDIA_TYPE,
        idempotency_key=idempotency_key,
    )


def send_batch(
    events: Sequence[EventInput], *, idempotency_key: str | None = None
) -> Operation[EventsAnswer]:
    """Send up to 500 events; each has its own result, in order."""
    return write(
        "POST",
        "events",
        EventsAnswer,
        body=[_envelope(event) for event in events],
        content_type=_BATCH_MEDIA_TYPE,
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
    """Report a completed order. It earns points once, even if it is reported again."""
    order = without_unset(
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
    """Report a refund of an order: `amount`, or the rest of the order without it."""
    refund = without_unset(
        order_id=order_id,
        customer_id=customer_id,
        refund_id=refund_id,
        refunded_at=refunded_at,
        amount=amount,
    )
    return send({"type": "order.refunded", "data": refund}, idempotency_key=idempotency_key)


def order_fulfilled(
    *,
    order_id: str,
    customer_id: str,
    fulfilled_at: Moment,
    idempotency_key: str | None = None,
) -> Operation[EventsAnswer]:
    """Report that an order was delivered: its points may wait for that. Only the first report counts."""
    fulfillment = {"order_id": order_id, "customer_id": customer_id, "fulfilled_at": fulfilled_at}
    return send({"type": "order.fulfilled", "data": fulfillment}, idempotency_key=idempotency_key)


def _envelope(event: EventInput) -> dict[str, Any]:
    """The event as a CloudEvent. Its data needs no store_id: the path names the store."""
    return {
        "specversion": "1.0",
        "id": str(uuid.uuid4()),
        "source": _SOURCE,
        "time": datetime.now(UTC),
        "datacontenttype": "application/json",
        **event,
    }
