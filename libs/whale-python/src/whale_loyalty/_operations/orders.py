"""What became of the shop's orders and refunds, and records that could not be processed."""

from collections.abc import Iterable

from whale_loyalty._operation import Listing, Operation, listing, read, segment, write
from whale_loyalty.models import (
    DeadLetter,
    DeadLetterVerdicts,
    Order,
    OrderVerdicts,
    Refund,
    Transaction,
)
from whale_loyalty.values import LetterCode, LetterTopic, OrderStateFilter, RefundState

_LETTERS = "loyalty/dead-letters"


def list_orders(
    *,
    customer_id: str | None = None,
    order_id: str | None = None,
    state: OrderStateFilter | None = None,
    limit: int | None = None,
    starting_after: str | None = None,
) -> Listing[Order]:
    """Orders, newest first, also those that earned nothing. `state` is counted, held, skipped,
    refused, or pending (counted ones of which points wait)."""
    return listing(
        "loyalty/orders",
        Order,
        get_id=lambda item: item.order_id,
        customer_id=customer_id,
        order_id=order_id,
        state=state,
        limit=limit,
        starting_after=starting_after,
    )


def recheck(
    order_ids: Iterable[str], *, idempotency_key: str | None = None
) -> Operation[OrderVerdicts]:
    """Check up to 500 skipped orders under the rules in force; those that qualify are posted. Each order
    has its own result."""
    body = {"order_ids": list(order_ids)}
    path = "loyalty/orders/recheck"
    return write("POST", path, OrderVerdicts, body=body, idempotency_key=idempotency_key)


def release(order_id: str, *, idempotency_key: str | None = None) -> Operation[Transaction]:
    """Release the pending points of an order now. Repeated, the transaction is the same."""
    body = {"order_id": order_id}
    path = "loyalty/orders/release"
    return write("POST", path, Transaction, body=body, idempotency_key=idempotency_key)


def list_refunds(
    *,
    customer_id: str | None = None,
    order_id: str | None = None,
    state: RefundState | None = None,
    limit: int | None = None,
    starting_after: str | None = None,
) -> Listing[Refund]:
    """Refunds, newest first. `state` is counted, waiting or conflict."""
    return listing(
        "loyalty/refunds",
        Refund,
        get_id=lambda item: item.id,
        customer_id=customer_id,
        order_id=order_id,
        state=state,
        limit=limit,
        starting_after=starting_after,
    )


def list_dead_letters(
    *,
    topic: LetterTopic | None = None,
    code: LetterCode | None = None,
    limit: int | None = None,
    starting_after: str | None = None,
) -> Listing[DeadLetter]:
    """Orders and refunds that could not be processed, newest first."""
    return listing(
        _LETTERS,
        DeadLetter,
        get_id=lambda item: item.id,
        topic=topic,
        code=code,
        limit=limit,
        starting_after=starting_after,
    )


def retrieve_dead_letter(letter_id: str) -> Operation[DeadLetter]:
    """One letter; a key with the scope manage also gets the record's `headers` and `value`."""
    return read(f"{_LETTERS}/{segment(letter_id)}", DeadLetter)


def replay_dead_letter(
    letter_id: str, *, idempotency_key: str | None = None
) -> Operation[DeadLetter]:
    """Publish the record of a letter again. Repeated, it is published once."""
    path = f"{_LETTERS}/{segment(letter_id)}/replay"
    return write("POST", path, DeadLetter, idempotency_key=idempotency_key)


def replay_dead_letters(
    ids: Iterable[str], *, idempotency_key: str | None = None
) -> Operation[DeadLetterVerdicts]:
    """Replay up to 500 letters in one request; each has its own result."""
    body = {"ids": list(ids)}
    path = f"{_LETTERS}/replay"
    return write("POST", path, DeadLetterVerdicts, body=body, idempotency_key=idempotency_key)


def drop_dead_letter(letter_id: str, *, idempotency_key: str | None = None) -> Operation[None]:
    """Remove a letter from the list without replaying it. It cannot be undone."""
    path = f"{_LETTERS}/{segment(letter_id)}"
    return Operation(
        method="DELETE",
        path=path,
        response_type=None,
        is_write=True,
        idempotency_key=idempotency_key,
    )
