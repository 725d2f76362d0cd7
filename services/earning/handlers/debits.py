"""Debits of redemptions, requested by the redemption service: take, settle, cancel, preview."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from libs.contracts.internal import Price
from libs.kernel.errors import WhaleError
from libs.persistence.engine import snapshot
from libs.persistence.idempotency import StoredResponse
from services.earning.domain.accounts import Account
from services.earning.domain.debits import Cancellation, Debit, Settlement, find_refusal
from services.earning.domain.programs import StorePrograms
from services.earning.handlers.posting import PostingGroup, PostingRequest, Render, submit
from services.earning.store import account_views, customers, programs
from services.earning.store import debits as debits_db


async def post(
    group_commit: PostingGroup, posting: Debit | Settlement | Cancellation, render: Render
) -> StoredResponse:
    """Take, settle or cancel a debit, each of them once per redemption. Raises the refusal of a debit,
    and Conflict for a cancellation without a debit."""
    return await submit(group_commit, PostingRequest([posting], render=render))


async def find_debits(
    engine: AsyncEngine, store_id: str, redemption_ids: Sequence[str]
) -> Sequence[Any]:
    """The redemption, entry and balance of each debit that was committed for the redemptions."""
    async with snapshot(engine) as connection:
        return await debits_db.find(connection, store_id, redemption_ids)


async def find_refusals(
    engine: AsyncEngine, store_id: str, customer_id: str, prices: Sequence[Price]
) -> list[WhaleError | None]:
    """For each price, why a debit would be refused now, or None; also for a customer without
    history."""
    async with snapshot(engine) as connection:
        row = await customers.find(connection, store_id, customer_id)
        in_force = (await programs.read(connection, [store_id])).get(store_id, StorePrograms())
        account = Account(store_id=store_id, customer_id=customer_id)
        if row is not None:
            timeline = await account_views.read_timeline(connection, store_id, in_force, [row])
            account = _account(row, store_id, account_views.view(row, timeline).balance)
    return [
        find_refusal(account, in_force, points=price.points, min_tier=price.min_tier)
        for price in prices
    ]


def _account(row: Any, store_id: str, balance: int) -> Account:
    return Account(
        store_id=store_id,
        customer_id=row["customer_id"],
        member_since=row["member_since"],
        balance=balance,
        lifetime=row["lifetime"],
        suspended=row["suspended"],
    )
