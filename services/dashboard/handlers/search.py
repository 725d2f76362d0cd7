"""What the text of the search field names."""

from msgspec import Struct

from whale_loyalty import AsyncWhaleClient
from whale_loyalty.errors import InvalidArgument, InvalidRequest, NotFound


class Found(Struct, frozen=True):
    """A customer, perhaps by the order with this id; or that ids of customers begin with the text; or
    nothing."""

    customer_id: str | None = None
    order_id: str | None = None
    is_prefix: bool = False


async def find(client: AsyncWhaleClient, text: str) -> Found:
    """The customer with this id; else whether ids begin with it; else the customer of the order with
    this id. Raises WhaleError."""
    try:
        return Found((await client.loyalty.customers.retrieve(text)).customer_id)
    except (NotFound, InvalidArgument, InvalidRequest):
        pass
    try:
        if (await client.loyalty.customers.list(query=text, limit=1)).total:
            return Found(is_prefix=True)
        orders = await client.loyalty.orders.list(order_id=text, limit=1)
    except (InvalidArgument, InvalidRequest):
        return Found()
    for order in orders.data:
        if order.customer_id:
            return Found(order.customer_id, order.order_id)
    return Found()
