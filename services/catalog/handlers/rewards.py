"""Reads single rewards."""

from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine

from libs.contracts.events import RewardChanged
from libs.kernel.errors import NotFound
from libs.persistence.engine import statement
from services.catalog import store as rewards_db
from services.catalog.domain import Reward
from services.catalog.handlers.reward_events import version_event

NOT_FOUND: Final = "There is no such reward in this store."


async def get(engine: AsyncEngine, store_id: str, reward_id: str) -> Reward:
    """The reward. Raises NotFound, also for a deleted one."""
    reward = await _find(engine, store_id, reward_id)
    if reward.deleted:
        raise NotFound(NOT_FOUND)
    return reward


async def get_version(engine: AsyncEngine, store_id: str, reward_id: str) -> RewardChanged:
    """The current version as its event has it, also that of a deleted reward. Raises NotFound."""
    return version_event(store_id, await _find(engine, store_id, reward_id))


async def _find(engine: AsyncEngine, store_id: str, reward_id: str) -> Reward:
    async with statement(engine) as connection:
        reward = await rewards_db.find(connection, store_id, reward_id)
    if reward is None:
        raise NotFound(NOT_FOUND)
    return reward
