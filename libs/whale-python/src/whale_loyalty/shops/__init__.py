"""From a shop's own order to the event that earns: pure functions over the payloads that shops document.

Each module has the same two: `order_completed(order)` and `order_refunded(refund, order=order)`. What
they return goes to `whale.events.send`. `earns` says which parts of a total earn, the same for an order
and its refunds.

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
    """What each of the modules is. Raises PayloadError, a ValueError that names the field."""

    def order_completed(self, order: Mapping[str, Any], *, earns: Earns = GOODS) -> EventInput:
        """The event `order.completed` of a shop's order."""

    def order_refunded(
        self, refund: Mapping[str, Any], *, order: Mapping[str, Any], earns: Earns = GOODS
    ) -> EventInput:
        """The event `order.refunded` of one refund of a shop's order."""


SHOPS: Final[Mapping[str, Shop]] = {
    "shopify": shopify,
    "woocommerce": woocommerce,
    "bigcommerce": bigcommerce,
    "magento": magento,
    "square": square,
}
