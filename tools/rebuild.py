"""The command `rebuild`: rebuilds a projection from the ledger, or from the topic that it follows."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Final

from aiokafka import AIOKafkaConsumer
from rich.console import Console

from libs.contracts.events import RewardChanged
from libs.contracts.topics import CATALOG_REWARD
from libs.messaging.cloudevents import EventReader, Poison
from libs.persistence.engine import create_engine, transaction
from services.redemption.store import rewards
from tools.ledger.cli import rebuild_days
from tools.progress import progress_bars
from tools.stack import kafka
from tools.stack.databases import connect, database_url, reporting_unavailable
from tools.stack.record import find_servers


def register(commands: Any) -> None:
    """Add the command."""
    rebuilding = commands.add_parser("rebuild", help="rebuild a projection")
    rebuilding.add_argument(
        "projection",
        choices=list(_PROJECTIONS),
        help="days: the summary, from the ledger; redemption: its rewards, from catalog.reward",
    )
    rebuilding.set_defaults(run=lambda arguments: _PROJECTIONS[arguments.projection]())


def _days() -> int:
    rebuild_days()
    print("Rebuilt the days from the ledger.")
    return 0


def _redemption() -> int:
    count = asyncio.run(_rebuild_rewards())
    print(f"Rebuilt {count:,} rewards from {CATALOG_REWARD}.")
    return 0


async def _rebuild_rewards() -> int:
    """Rebuild redemption's rewards; returns their count. Redemption may run meanwhile: newer versions
    that it receives win, and the counts of each reward's uses are in another table."""
    newest = await _read_newest_versions()
    with reporting_unavailable():
        engine = create_engine(database_url("redemption"), name="rebuild", connections=1)
        try:
            async with transaction(engine) as connection:
                await rewards.delete_all(connection)
                await rewards.write(connection, newest)
        finally:
            await engine.dispose()
    return len(newest)


async def _read_newest_versions() -> list[RewardChanged]:
    """The last version of every reward in the topic, up to its present end. After a restore of the
    databases, the topic may have versions that the catalog lost: they are skipped."""
    addresses = find_servers().addresses
    read = EventReader(CATALOG_REWARD, kind=RewardChanged).read
    newest: dict[tuple[str, str], RewardChanged] = {}
    async with kafka.open_consumer(
        addresses.kafka, CATALOG_REWARD, security=addresses.kafka_security
    ) as consumer:
        ends = await consumer.end_offsets(consumer.assignment())
        # Read after the ends: every version up to there that still exists is in the catalog.
        current = await _read_current_versions()
        with progress_bars(Console(highlight=False)) as progress:
            bar = progress.add_task("versions", total=sum(ends.values()))
            while await _has_unread(consumer, ends):
                for records in (await consumer.getmany(timeout_ms=500)).values():
                    for record in records:
                        _apply(newest, record, read, current)
                    progress.update(bar, advance=len(records))
    return list(newest.values())


async def _read_current_versions() -> dict[tuple[str, str], int]:
    async with connect("catalog") as connection:
        rows = await connection.fetch("SELECT store_id, id, version FROM rewards")
    return {(row["store_id"], row["id"]): row["version"] for row in rows}


async def _has_unread(consumer: AIOKafkaConsumer, ends: dict[Any, int]) -> bool:
    return any([await consumer.position(partition) < end for partition, end in ends.items()])


def _apply(
    newest: dict[tuple[str, str], RewardChanged],
    record: Any,
    read: Callable[[Any], RewardChanged],
    current: Mapping[tuple[str, str], int],
) -> None:
    try:
        event = read(record)
    except Poison as poison:
        print(f"skipped {record.topic}:{record.partition}:{record.offset}: {poison.detail}")
        return
    key = event.store_id, event.id
    previous = newest[key].version if key in newest else 0
    # Of two events of one version, the later one is valid: the earlier one may have been lost.
    if previous <= event.version <= current.get(key, 0):
        newest[key] = event


_PROJECTIONS: Final[dict[str, Callable[[], int]]] = {"days": _days, "redemption": _redemption}
