"""The consumers of redemption: rewards from the catalog, debits and their cancellations from the
ledger."""

from collections.abc import Sequence
from typing import Final

from aiokafka import AIOKafkaProducer
from sqlalchemy.ext.asyncio import AsyncEngine

from libs.contracts.events import PointsPosted, RewardChanged
from libs.contracts.groups import REDEMPTION_POINTS, REDEMPTION_REWARDS
from libs.contracts.topics import CATALOG_REWARD, POINTS_ADJUSTED, POINTS_REDEEMED
from libs.kernel.errors import NotFound
from libs.kernel.ids import parse_id
from libs.messaging.cloudevents import EventReader
from libs.messaging.consumer import BACKGROUND, BatchConsumer, RecordOutcome
from libs.persistence.engine import transaction
from services.redemption.domain.redemptions import Confirm, Debit, FinishCancel
from services.redemption.handlers.desk import ActionRequest, apply
from services.redemption.store import rewards

REWARDS_GROUP: Final = REDEMPTION_REWARDS.name
POINTS_GROUP: Final = REDEMPTION_POINTS.name


def consume_rewards(
    engine: AsyncEngine, producer: AIOKafkaProducer
) -> BatchConsumer[RewardChanged]:
    """Maintains the projection of the rewards."""

    async def handle(events: Sequence[RewardChanged]) -> Sequence[RecordOutcome]:
        async with transaction(engine) as connection:
            await rewards.write(connection, events)
        return [None] * len(events)

    return BatchConsumer(
        topics=(CATALOG_REWARD,),
        group=REWARDS_GROUP,
        service="redemption",
        read=EventReader(CATALOG_REWARD, kind=RewardChanged).read,
        handle=handle,
        producer=producer,
        policy=BACKGROUND,
    )


def consume_points(engine: AsyncEngine, producer: AIOKafkaProducer) -> BatchConsumer[PointsPosted]:
    """Confirms redemptions in batches, and cancels those whose response from the ledger was lost."""
    reader = EventReader(POINTS_REDEEMED, POINTS_ADJUSTED, kind=PointsPosted)

    async def handle(events: Sequence[PointsPosted]) -> Sequence[RecordOutcome]:
        steps = [step for event in events if (step := _step_of(event)) is not None]
        results = await apply(engine, [ActionRequest(step) for step in steps]) if steps else []
        for result in results:
            # An unknown redemption is not one of this service.
            if isinstance(result, Exception) and not isinstance(result, NotFound):
                raise result
        return [None] * len(events)

    return BatchConsumer(
        topics=(POINTS_REDEEMED, POINTS_ADJUSTED),
        group=POINTS_GROUP,
        service="redemption",
        read=reader.read,
        read_batch=reader.read_batch,
        handle=handle,
        producer=producer,
        policy=BACKGROUND,
    )


def _step_of(event: PointsPosted) -> Confirm | FinishCancel | None:
    """What the event changes in a redemption; None for an event that is not about one."""
    redemption_id = parse_id("rdm", event.redemption_id or "")
    if redemption_id is None or event.reward is None:
        return None
    if event.type == "redeem":
        debit = Debit(event.transaction_id, event.balance_after, event.created_at)
        return Confirm(
            id=redemption_id, store_id=event.store_id, reward_id=event.reward.id, debit=debit
        )
    if event.type == "cancel":
        return FinishCancel(id=redemption_id, store_id=event.store_id, reward_id=event.reward.id)
    return None
