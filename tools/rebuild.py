"""The command `rebuild`: makes a projection anew, of the ledger or of the topic it follows."""

import asyncio
from collections.abc import Callable
from typing import Any, Final

from aiokafka import AIOKafkaConsumer
from rich.console import Console

from libs.contracts.events import RewardChanged
from libs.contracts.topics import CATALOG_REWARD
from libs.messaging.cloudevents import EventReader, Poison
from libs.persistence.engine import create_engine, transaction
from services.redemption.store import rewards
from tools.ledger.cli import rebuild_days
from tools.progress import bars
from tools.stack import config, kafka, services
from tools.stack.databases import database_url, reached


def register(commands: Any) -> None:
    """Add the command."""
    rebuilding = commands.add_parser("rebuild", help="make a projection anew")
    rebuilding.add_argument(
        "projection",
        choices=list(_PROJECTIONS),
        help="days: the summary's, of the ledger; redemption: its rewards, of catalog.reward",
    )
    rebuilding.set_defaults(run=lambda asked: _PROJECTIONS[asked.projection]())


def _days() -> int:
    rebuild_days()
    print("The days are rebuilt from the ledger.")
    return 0


def _redemption() -> int:
    kept = asyncio.run(_rebuild_rewards())
    print(f"{kept:,} rewards are rebuilt from {CATALOG_REWARD}.")
    return 0


async def _rebuild_rewards() -> int:
    """Redemption may run meanwhile: newer versions that it hears of win, and what is in use of each
    reward stands elsewhere."""
    newest = await _newest_versions()
    with reached():
        engine = create_engine(database_url("redemption"), name="rebuild", connections=1)
        try:
            async with transaction(engine) as connection:
                await rewards.delete_all(connection)
                await rewards.write(connection, newest)
        finally:
            await engine.dispose()
    return len(newest)


async def _newest_versions() -> list[RewardChanged]:
    """The last version of every reward that the topic tells of, up to its present end."""
    settings = config.settings()
    bootstrap = services.kafka_address(settings)
    read = EventReader(CATALOG_REWARD, kind=RewardChanged).read
    found: dict[tuple[str, str], RewardChanged] = {}
    async with kafka.reading(
        bootstrap, CATALOG_REWARD, security=settings.kafka_security
    ) as consumer:
        ends = await consumer.end_offsets(consumer.assignment())
        with bars(Console(highlight=False)) as progress:
            bar = progress.add_task("versions", total=sum(ends.values()))
            while await _left(consumer, ends):
                for records in (await consumer.getmany(timeout_ms=500)).values():
                    for record in records:
                        _take(found, record, read)
                    progress.update(bar, advance=len(records))
    return list(found.values())


async def _left(consumer: AIOKafkaConsumer, ends: dict[Any, int]) -> bool:
    return any([await consumer.position(place) < end for place, end in ends.items()])


def _take(
    found: dict[tuple[str, str], RewardChanged],
    record: Any,
    read: Callable[[Any], RewardChanged],
) -> None:
    try:
        event = read(record)
    except Poison as poison:
        print(f"passed over {record.topic}:{record.partition}:{record.offset}: {poison.detail}")
        return
    key = event.store_id, event.id
    if key not in found or found[key].version < event.version:
        found[key] = event


_PROJECTIONS: Final[dict[str, Callable[[], int]]] = {"days": _days, "redemption": _redemption}
