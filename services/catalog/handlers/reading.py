"""What is read of single rewards."""

from sqlalchemy.ext.asyncio import AsyncEngine

from libs.contracts.events import RewardChanged
from libs.contracts.rewards import Reward
from libs.kernel.errors import NotFound
from libs.persistence.engine import statement
from services.catalog import domain, store
from services.catalog.handlers import render
from services.catalog.handlers.changes import NO_REWARD


async def get_reward(engine: AsyncEngine, store_id: str, reward_id: str) -> Reward:
    """One reward of the store; raises NotFound, also for a deleted one."""
    found = await _find(engine, store_id, reward_id)
    if found.deleted:
        raise NotFound(NO_REWARD)
    return render.reward(found)


async def version_in_force(engine: AsyncEngine, store_id: str, reward_id: str) -> RewardChanged:
    """The reward as its last event has it, also a deleted one; raises NotFound."""
    return render.event(store_id, await _find(engine, store_id, reward_id))


async def _find(engine: AsyncEngine, store_id: str, reward_id: str) -> domain.Reward:
    async with statement(engine) as connection:
        found = await store.find(connection, store_id, reward_id)
    if found is None:
        raise NotFound(NO_REWARD)
    return found
