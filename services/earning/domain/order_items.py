"""The lines of orders, kept by programs that are set to keep them."""

from typing import Any, Final

import msgspec
from msgspec import Struct

from services.earning.domain.order_records import Order, OrderKey

# Of the lines as sent. What a shop sends over REST fits in any case.
MAX_BYTES: Final = 65_536

_decode: Final = msgspec.json.Decoder(list[dict[str, Any]]).decode


class OrderItems(Struct, frozen=True, gc=False):
    """The lines of an order: a JSON array of objects, as the shop sent it."""

    store_id: str
    order_id: str
    items: bytes

    @property
    def key(self) -> OrderKey:
        return self.store_id, self.order_id


def items_of(order: Order) -> OrderItems | None:
    """The lines of an order; None if it has none, more than MAX_BYTES of them, or something else in
    their place."""
    raw = bytes(order.items)
    if len(raw) > MAX_BYTES:
        return None
    try:
        lines = _decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return OrderItems(order.store_id, order.order_id, raw) if lines else None
