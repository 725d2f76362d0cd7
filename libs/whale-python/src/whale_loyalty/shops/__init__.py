"""Pure functions that map the documented payloads of shop platforms to events.

Each module has the same two functions: `order_completed(order)` and `order_refunded(refund, order=order)`.
Pass what they return to `whale.events.send`. `earns` selects the parts of a total that earn points; pass
the same value for an order and for its refunds.

    from whale_loyalty.shops import shopify

    whale.events.send(shopify.order_completed(order))
"""

from collections.abc import Mapping
from typing import Any, Final, Protocol

from whale_loyalty.models import EventInput
from whale_loyalty.shops import bigcommerce, magento, shopify, square, woocommerce
from whale_loyalty.shops._orders import GOODS, Earns
from whale_loyalty.shops._payload import PayloadError

__all__ = [
    "GOODS",
    "SHOPS",
    "Earns",
    "PayloadError",
    "Shop",
    "bigcommerce",
    "magento",
    "shopify",
    "square",
    "woocommerce",
]


class Shop(Protocol):
    """The interface of each module. Its functions raise PayloadError, a ValueError that names the field."""

    def order_completed(self, order: Mapping[str, Any], *, earns: Earns = GOODS) -> EventInput:
        """The event `order.completed` for a platform's order."""

    def order_refunded(
        self, refund: Mapping[str, Any], *, order: Mapping[str, Any], earns: Earns = GOODS
    ) -> EventInput:
        """The event `order.refunded` for one refund of a platform's order."""


SHOPS: Final[Mapping[str, Shop]] = {
    "shopify": shopify,
    "woocommerce": woocommerce,
    "bigcommerce": bigcommerce,
    "magento": magento,
    "square": square,
}
