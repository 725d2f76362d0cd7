"""What callers read: redemptions, and which rewards a customer can have."""

from datetime import datetime
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncEngine

from libs.contracts import internal
from libs.contracts.rewards import Redemption, RewardForCustomer
from libs.kernel.clock import utc_now
from libs.kernel.errors import Fault, InvalidRequest, NotFound
from libs.kernel.ids import parse_id
from libs.persistence.engine import snapshot
from libs.persistence.pages import COUNT_LIMIT, Listed, Page
from libs.persistence.slow_reads import SlowReads
from services.redemption.domain import rewards as rules
from services.redemption.domain.rewards import Reward, Use
from services.redemption.handlers import render
from services.redemption.handlers.resources import Resources
from services.redemption.store import desk, reading, rewards
from services.redemption.store.reading import RedemptionFilter

_NO_REDEMPTION: Final = "There is no such redemption in this store."
_NO_REWARD: Final = "There is no such reward in this store."


async def get_redemption(engine: AsyncEngine, store_id: str, text: str) -> Redemption:
    """One redemption; raises NotFound."""
    async with snapshot(engine) as connection:
        found = await reading.redemption(connection, store_id, parse_id("rdm", text))
    if found is None:
        raise NotFound(_NO_REDEMPTION)
    return render.redemption(found)


async def list_redemptions(reads: SlowReads, wanted: RedemptionFilter, page: Page) -> Listed[Any]:
    """A page of the store's redemptions, newest first. Raises InvalidRequest where
    `starting_after` is none of them."""
    async with reads.snapshot(wanted.store_id) as connection:
        after = None
        if page.starting_after is not None:
            after = parse_id("rdm", page.starting_after)
            known = await reading.redemption(connection, wanted.store_id, after)
            if known is None or wanted.customer_id not in {None, known.customer_id}:
                raise _unknown_cursor(_NO_REDEMPTION)
        rows, counted = await reading.listed(
            connection, wanted, limit=page.limit, after=after, count_limit=COUNT_LIMIT
        )
    shown = [render.redemption(one) for one in rows[: page.limit]]
    return Listed(shown, has_more=len(rows) > page.limit, counted=counted)


async def list_rewards_for(
    resources: Resources,
    store_id: str,
    customer_id: str,
    *,
    everything: bool,
    page: Page,
    request_id: str,
) -> Listed[Any]:
    """A page of the rewards, oldest first, each with whether the customer can have it now: by the
    very checks of redeeming, here and at the ledger. Raises NotFound for an unknown customer, and
    InvalidRequest where `starting_after` is none of the rewards."""
    now = utc_now()
    async with resources.slow_reads.snapshot(store_id) as connection:
        after = None
        if page.starting_after is not None:
            after = await rewards.place(connection, store_id, page.starting_after)
            if after is None:
                raise _unknown_cursor(_NO_REWARD)
        found, counted = await rewards.page(
            *(connection, store_id),
            at=None if everything else now,
            after=after,
            limit=page.limit,
            count_limit=COUNT_LIMIT,
        )
        shown = found[: page.limit]
        used = await desk.by_customer(
            connection, [(*reward.key, customer_id) for reward, _ in shown]
        )
    prices = internal.PriceCheck(
        customer_id=customer_id,
        prices=[internal.Price(reward.points_cost, reward.min_tier) for reward, _ in shown],
    )
    answer = await resources.peers.check_prices(store_id, prices, request_id)
    items = [
        _for_customer(
            reward,
            Use(taken, used.get((*reward.key, customer_id), 0)),
            refused_by_ledger=refused,
            now=now,
        )
        for (reward, taken), refused in zip(shown, answer.refusals, strict=True)
    ]
    return Listed(items, has_more=len(found) > page.limit, counted=counted)


def _for_customer(
    reward: Reward, use: Use, *, refused_by_ledger: internal.Refusal | None, now: datetime
) -> RewardForCustomer:
    """What redeeming would refuse first: the reward's own state, then what the ledger says."""
    own = rules.refusal(reward, use, now=now)
    refusal = refused_by_ledger
    if own is not None:
        refusal = internal.Refusal(code=own.code, reason=str(own.extra["reason"]))
    return render.reward_for_customer(reward, taken=use.taken, refusal=refusal)


def _unknown_cursor(detail: str) -> InvalidRequest:
    return InvalidRequest(detail, errors=[Fault(detail=detail, parameter="starting_after")])
