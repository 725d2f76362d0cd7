"""Sweeping: what is due is posted on accounts on which nobody posts.

Correctness never depends on it: every posting first posts what is due on its account.
"""

from datetime import UTC, datetime
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine

from libs.kernel.errors import WhaleError
from libs.persistence.engine import transaction
from services.earning.domain.due import CatchUp
from services.earning.handlers.posting import PostingRequest, post_batch
from services.earning.store import due_accounts

# Bounds how long a batch holds the locks of its accounts.
_ACCOUNTS: Final = 500
_START: Final = (datetime.min.replace(tzinfo=UTC), 0)


async def post_due(engine: AsyncEngine, *, until: datetime, limit: int = _ACCOUNTS) -> int:
    """Post what is due on the accounts of all stores by `until`, which has passed, in batches of `limit`
    accounts; returns their number. Run twice or stopped anywhere, it posts nothing twice. Each account is visited
    once: `due_at` may be earlier than the instant."""
    count, after = 0, _START
    while True:
        async with transaction(engine, readonly=True) as connection:
            accounts = await due_accounts.read(connection, until=until, after=after, limit=limit)
        if not accounts:
            return count
        visits = [CatchUp(account.store_id, account.customer_id) for account in accounts]
        for outcome in await post_batch(engine, [PostingRequest(visits)]):
            if isinstance(outcome, WhaleError):
                raise outcome
        count += len(accounts)
        after = accounts[-1].due_at, accounts[-1].id
