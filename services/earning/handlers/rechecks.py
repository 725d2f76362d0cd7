"""Skipped orders, posted under the rules in force."""

from collections.abc import Callable, Sequence

from sqlalchemy.ext.asyncio import AsyncEngine

from libs.contracts.order_api import OrderRecheck
from libs.kernel.errors import NotFound, WhaleError
from libs.persistence.engine import Connection, snapshot
from libs.persistence.idempotency import StoredResponse
from libs.persistence.writes import Write
from services.earning.domain.order_records import Recheck
from services.earning.domain.orders import NO_ORDER
from services.earning.handlers.orders import Order, read_orders
from services.earning.handlers.posting import PostingGroup, PostingRequest, Result
from services.earning.store import orders

# The order as it is after the check, or why it was not checked.
OrderResult = Order | WhaleError
Render = Callable[[Sequence[OrderResult]], StoredResponse]


async def recheck_orders(
    engine: AsyncEngine, group_commit: PostingGroup, write: Write[OrderRecheck], render: Render
) -> StoredResponse:
    """Post the skipped ones of the orders, and render a result for each id, in order: the order as it is
    then, whatever its state, else NotFound or Conflict. Raises IdempotencyKeyReused."""
    store_id, order_ids = write.store_id, list(dict.fromkeys(write.body.order_ids))
    async with snapshot(engine) as connection:
        customers = await orders.read_customers(connection, store_id, order_ids)
    rechecks = [
        Recheck(store_id=store_id, customer_id=customers[order_id], order_id=order_id)
        for order_id in order_ids
        if order_id in customers
    ]

    async def render_after_write(
        connection: Connection, results: Sequence[Result]
    ) -> StoredResponse:
        outcomes: dict[str, OrderResult] = {
            order.row["order_id"]: order
            for order in await read_orders(connection, store_id, order_ids)
            if order.row is not None
        }
        for recheck, result in zip(rechecks, results, strict=True):
            if isinstance(result, WhaleError):
                outcomes[recheck.order_id] = result
        return render([outcomes.get(id_) or NotFound(NO_ORDER) for id_ in write.body.order_ids])

    request = PostingRequest(rechecks, write.claim, render_after_write=render_after_write)
    # Alone in its transaction: the response reads what was written, and must not show what a later
    # request of the same batch wrote.
    result = await group_commit.submit(request, weight=group_commit.max_weight)
    assert result.response is not None
    return result.response
