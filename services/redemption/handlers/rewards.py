"""The rewards that a customer can redeem, and rewards that are not in the projection yet."""

from datetime import datetime
from typing import Final

from msgspec import Struct

from libs.contracts.internal import Price, PriceCheck, Refusal
from libs.kernel.caller import Caller
from libs.kernel.clock import utc_now
from libs.kernel.errors import NotFound
from libs.persistence.engine import transaction
from libs.persistence.pages import Listed, Page, unknown_cursor
from services.redemption.domain.rewards import Reward, Usage, find_refusal
from services.redemption.handlers.resources import Resources
from services.redemption.store import rewards

_NOT_FOUND: Final = "There is no such reward in this store."


class Offer(Struct, frozen=True):
    """A reward, how many of it are in use, and why the customer cannot redeem it now, or None."""

    reward: Reward
    in_use: int
    refusal: Refusal | None


async def list_offers(
    resources: Resources,
    store_id: str,
    customer_id: str,
    *,
    include_all: bool,
    page: Page,
    caller: Caller,
) -> Listed[Offer]:
    """A page of the rewards, oldest first, each with whether the customer can redeem it now: by the
    checks of redeeming itself, here and at the ledger. Raises InvalidRequest where `starting_after`
    is not one of the rewards."""
    now = utc_now()
    async with resources.slow_reads.snapshot(store_id) as connection:
        after = None
        if page.starting_after is not None:
            after = await rewards.find_position(connection, store_id, page.starting_after)
            if after is None:
                raise unknown_cursor("a reward")
        at = None if include_all else now
        listed = await rewards.read_page(connection, store_id, at=at, after=after, limit=page.limit)
        by_customer = await rewards.read_usage_by_customer(
            connection, [(*item.reward.key, customer_id) for item in listed.items]
        )
    prices = [Price(item.reward.points_cost, item.reward.min_tier) for item in listed.items]
    check = await resources.ledger.check_prices(
        store_id, PriceCheck(customer_id=customer_id, prices=prices), caller
    )
    offers = [
        _offer(
            item.reward,
            Usage(item.in_use, by_customer.get((*item.reward.key, customer_id), 0)),
            ledger_refusal=refusal,
            now=now,
        )
        for item, refusal in zip(listed.items, check.refusals, strict=True)
    ]
    return Listed(offers, has_more=listed.has_more, counted=listed.counted)


def _offer(reward: Reward, usage: Usage, *, ledger_refusal: Refusal | None, now: datetime) -> Offer:
    """The offer with the refusal that redeeming would raise first: the reward's own, then the
    ledger's."""
    own = find_refusal(reward, usage, now=now)
    if own is None:
        return Offer(reward, usage.in_use, ledger_refusal)
    refusal = Refusal(code=own.code, reason=str(own.extra["reason"]))
    return Offer(reward, usage.in_use, refusal)


async def fetch(resources: Resources, store_id: str, reward_id: str) -> None:
    """Add a reward from the catalog whose event has not arrived yet. Raises NotFound."""
    event = await resources.catalog.find_reward(store_id, reward_id)
    if event is None:
        raise NotFound(_NOT_FOUND)
    async with transaction(resources.write_engine) as connection:
        await rewards.write(connection, [event])
