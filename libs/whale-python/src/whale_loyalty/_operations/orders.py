"""What became of the shop's orders, and records that could not be processed."""

from whale_loyalty._operation import Listing, Operation, listing, read, segment
from whale_loyalty.models import DeadLetter, Order
from whale_loyalty.values import LetterCode, LetterTopic, OrderState

_LETTERS = "loyalty/dead-letters"


def list_orders(
    *,
    customer_id: str | None = None,
    order_id: str | None = None,
    state: OrderState | None = None,
    limit: int | None = None,
    starting_after: str | None = None,
) -> Listing[Order]:
    """Orders, newest first, also those that earned nothing. `state` is counted, held, skipped or
    refused."""
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
