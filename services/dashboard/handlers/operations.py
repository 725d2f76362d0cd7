"""Operations: what is stuck, why, and what helps."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from msgspec import Struct

from services.dashboard.handlers.panels import Failed, attempt
from services.dashboard.handlers.pipeline import Health, load_health
from whale_loyalty import AsyncWhaleClient
from whale_loyalty.errors import InvalidRequest
from whale_loyalty.models import DeadLetter, Order, Page, Redemption, Refund

_LETTERS_SHOWN: Final = 20
_WAITING_SHOWN: Final = 10
_MOST_GROUPED: Final = 100
# A redemption is confirmed or cancelled within seconds.
_STUCK_AFTER: Final = timedelta(minutes=1)


class SkippedOrders(Struct, frozen=True):
    """The newest skipped orders by their reason, and how many there are."""

    groups: Mapping[str, Sequence[Order]]
    grouped: int
    total: int
    total_more: bool


class StuckRedemptions(Struct, frozen=True):
    """Redemptions that take longer than they should; `more` if there may be others."""

    redemptions: Sequence[Redemption]
    more: bool


class Operations(Struct, frozen=True, kw_only=True):
    """The page; a part that could not be loaded is Failed."""

    health: Health | Failed
    letters: Page[DeadLetter] | Failed
    refunds: Page[Refund] | Failed
    skipped: SkippedOrders | Failed
    held: Page[Order] | Failed
    redemptions: StuckRedemptions | Failed

    @property
    def is_clear(self) -> bool:
        """Whether all parts were loaded and nothing is stuck."""
        if isinstance(self.health, Failed) or self.health.is_in_trouble:
            return False
        lists = (self.letters, self.refunds, self.skipped, self.held)
        if isinstance(self.redemptions, Failed) or self.redemptions.redemptions:
            return False
        return not any(isinstance(part, Failed) or part.total for part in lists)


async def load(client: AsyncWhaleClient, now: datetime, *, after: str) -> Operations:
    """The page; `after` is the last dead letter of the page before. Raises Unauthenticated."""
    loyalty = client.loyalty
    health, letters, refunds, skipped, held, redemptions = await asyncio.gather(
        attempt(load_health(client)),
        attempt(_load_letters(client, after)),
        attempt(loyalty.refunds.list(state="waiting", limit=_WAITING_SHOWN)),
        attempt(_load_skipped(client)),
        attempt(loyalty.orders.list(state="held", limit=_WAITING_SHOWN)),
        attempt(_load_stuck(client, now)),
    )
    return Operations(
        health=health,
        letters=letters,
        refunds=refunds,
        skipped=skipped,
        held=held,
        redemptions=redemptions,
    )


async def _load_letters(client: AsyncWhaleClient, after: str) -> Page[DeadLetter]:
    letters = client.loyalty.dead_letters
    try:
        return await letters.list(limit=_LETTERS_SHOWN, starting_after=after or None)
    except InvalidRequest:
        # The last letter of the page before was handled meanwhile.
        return await letters.list(limit=_LETTERS_SHOWN)


async def _load_skipped(client: AsyncWhaleClient) -> SkippedOrders:
    page = await client.loyalty.orders.list(state="skipped", limit=_MOST_GROUPED)
    groups: dict[str, list[Order]] = {}
    for order in page.data:
        groups.setdefault(order.skip_reason or "", []).append(order)
    return SkippedOrders(groups, len(page.data), page.total, page.total_more)


async def _load_stuck(client: AsyncWhaleClient, now: datetime) -> StuckRedemptions:
    redemptions = client.loyalty.redemptions
    pages = await asyncio.gather(
        *(
            redemptions.list(status=status, limit=_MOST_GROUPED)
            for status in ("reserved", "cancelling")
        )
    )
    return StuckRedemptions(
        [one for page in pages for one in page.data if now - one.created_at > _STUCK_AFTER],
        any(page.has_more for page in pages),
    )


async def replay(client: AsyncWhaleClient, ids: Sequence[str]) -> tuple[int, Sequence[str]]:
    """Replay letters: how many were, and why the others were not. Raises WhaleError."""
    verdicts = (await client.loyalty.dead_letters.replay_many(ids)).data
    problems = [str((one.problem or {}).get("detail", "")) for one in verdicts if one.problem]
    return len(verdicts) - len(problems), list(dict.fromkeys(problems))


async def recheck(client: AsyncWhaleClient, order_ids: Sequence[str]) -> tuple[int, int]:
    """Check skipped orders again: how many are not skipped anymore, and how many still are. Raises
    WhaleError."""
    verdicts = (await client.loyalty.orders.recheck(order_ids)).data
    fixed = sum(one.order is not None and one.order.state != "skipped" for one in verdicts)
    return fixed, len(verdicts) - fixed
