"""Releasing the pending points of an order before their time."""

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from libs.contracts.order_api import OrderRelease
from libs.kernel.errors import NotFound, WhaleError
from libs.persistence.engine import Connection, snapshot
from libs.persistence.idempotency import StoredResponse
from libs.persistence.writes import Write
from services.earning.domain.accounts import Entry
from services.earning.domain.orders import NO_ORDER
from services.earning.domain.releases import Release
from services.earning.handlers.posting import PostingGroup, PostingRequest, Result
from services.earning.store import orders, transactions


async def release_order(
    engine: AsyncEngine,
    group_commit: PostingGroup,
    write: Write[OrderRelease],
    render: Callable[[Any], StoredResponse],
) -> StoredResponse:
    """Release the points, and render the transaction that did so, now or before.

    Raises NotFound, AccountSuspended, Conflict if nothing is pending, or IdempotencyKeyReused."""
    store_id, order_id = write.store_id, write.body.order_id
    async with snapshot(engine) as connection:
        customers = await orders.read_customers(connection, store_id, [order_id])
    if order_id not in customers:
        raise NotFound(NO_ORDER)
    release = Release(store_id=store_id, customer_id=customers[order_id], order_id=order_id)

    async def render_after_write(
        connection: Connection, results: Sequence[Result]
    ) -> StoredResponse:
        (result,) = results
        if isinstance(result, WhaleError):
            raise result
        assert isinstance(result, Entry)
        # Of a release before, refunds may have taken a part since.
        return render(await transactions.find(connection, store_id, UUID(result.id)))

    request = PostingRequest([release], write.claim, render_after_write=render_after_write)
    # Alone in its transaction: the response reads what was written, and must not show what a later
    # request of the same batch wrote.
    result = await group_commit.submit(request, weight=group_commit.max_weight)
    assert result.response is not None
    return result.response
