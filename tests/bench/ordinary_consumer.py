"""A consumer as most services have it: one transaction per order, then the offsets of the poll.

`python -m tests.bench.ordinary_consumer LEDGER KAFKA TOPIC`, the ledger's address for asyncpg.
"""

import asyncio
import contextlib
import sys

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import CommitFailedError
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

from tests.bench.order_transaction import post

# Offsets are committed after so many: what a killed consumer had posted is consumed again.
_MAX_RECORDS = 100
# The least that a broker allows: the consumer of the round before was killed, and must not be waited for.
_SESSION_MS = 6_000


async def consume(ledger: str, kafka: str, topic: str) -> None:
    engine = create_async_engine(ledger)
    async with AIOKafkaConsumer(
        topic,
        bootstrap_servers=kafka,
        group_id="bench-ordinary",
        session_timeout_ms=_SESSION_MS,
        heartbeat_interval_ms=_SESSION_MS // 3,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    ) as consumer:
        while True:
            polled = await consumer.getmany(timeout_ms=100, max_records=_MAX_RECORDS)
            for records in polled.values():
                for record in records:
                    # After a rebalance, another process may post the same order.
                    with contextlib.suppress(IntegrityError):
                        async with AsyncSession(engine) as session, session.begin():
                            await session.run_sync(post, record.value)
            if polled:
                with contextlib.suppress(CommitFailedError):
                    await consumer.commit()


if __name__ == "__main__":
    asyncio.run(consume(*sys.argv[1:]))
