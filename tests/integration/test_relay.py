"""The outbox and its relay on real servers: in order, at least once, one active relay per lane."""

import asyncio
import contextlib
import json
import secrets
from collections.abc import AsyncIterator

import asyncpg
import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import MessageSizeTooLargeError

from libs.messaging import relay as relay_module
from libs.messaging.outbox import EncodedEvent, pack, unpack
from libs.messaging.producer import producing
from libs.messaging.relay import Relay
from libs.testing.eventually import eventually
from tests.integration.conftest import Database
from tests.support import Stack, follow

WRITE = "INSERT INTO outbox (id, lane, payload, events) VALUES (nextval('outbox_id'), 0, $1, $2)"


def event(topic: str, key: str, number: int) -> EncodedEvent:
    return EncodedEvent(
        topic=topic,
        key=key.encode(),
        value=json.dumps(number).encode(),
        id=f"{key}-{number}",
        source="/test",
        time="2026-03-10T12:00:00.000Z",
    )


async def write(url: str, rows: list[list[EncodedEvent]]) -> None:
    connection = await asyncpg.connect(url)
    for row in rows:
        await connection.execute(WRITE, pack(row), len(row))
    await connection.close()


async def unpublished_rows(url: str) -> int:
    connection = await asyncpg.connect(url)
    try:
        count: int = await connection.fetchval("SELECT count(*) FROM outbox")
        return count
    finally:
        await connection.close()


@contextlib.asynccontextmanager
async def relaying(stack: Stack, url: str) -> AsyncIterator[Relay]:
    relay = Relay(url, stack.kafka)
    task = asyncio.create_task(relay.run())
    try:
        yield relay
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def published(stack: Stack, topic: str, count: int) -> list[tuple[str, int]]:
    events = []
    async with contextlib.aclosing(follow(stack.kafka, topic)) as records:
        async for record in records:
            events.append((record.key.decode(), json.loads(record.value)))
            if len(events) >= count:
                break
    return events


def test_unpacking_returns_the_packed_events() -> None:
    events = [event("t", f"k{number}", number) for number in range(100)]
    assert unpack(pack(events)) == events


@pytest.mark.parametrize("most_events", [relay_module._MAX_EVENTS, 120])
async def test_events_of_a_key_are_published_in_the_order_they_were_written(
    stack: Stack,
    earning_database: Database,
    topic: str,
    monkeypatch: pytest.MonkeyPatch,
    most_events: int,
) -> None:
    monkeypatch.setattr(relay_module, "_MAX_EVENTS", most_events)
    rows = [[event(topic, f"k{n % 7}", n) for n in range(r * 50, r * 50 + 50)] for r in range(60)]
    await write(earning_database.url, rows)
    async with relaying(stack, earning_database.url):
        events = await published(stack, topic, 3_000)
    for key in {key for key, _ in events}:
        numbers = [number for event_key, number in events if event_key == key]
        assert numbers == sorted(numbers)
    assert len(events) == 3_000


async def test_published_rows_are_removed_and_a_new_row_is_published_soon(
    stack: Stack, earning_database: Database, topic: str
) -> None:
    async with relaying(stack, earning_database.url):
        await write(earning_database.url, [[event(topic, "k", 1)]])
        assert await published(stack, topic, 1) == [("k", 1)]

        async def all_published() -> bool:
            return await unpublished_rows(earning_database.url) == 0

        await eventually(all_published)


async def test_a_second_relay_of_the_lane_stands_by_and_takes_over(
    stack: Stack, earning_database: Database, topic: str
) -> None:
    url = earning_database.url
    async with relaying(stack, url):
        await write(url, [[event(topic, "k", 1)]])
        await published(stack, topic, 1)
        async with relaying(stack, url):
            await write(url, [[event(topic, "k", 2)]])
            assert await published(stack, topic, 2) == [("k", 1), ("k", 2)]
            connection = await asyncpg.connect(url)
            holders = await connection.fetchval(
                "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted "
                "AND classid = 2 AND database = (SELECT oid FROM pg_database WHERE datname = "
                "current_database())"
            )
            await connection.close()
            assert holders == 1


async def test_a_row_whose_id_commits_late_is_not_skipped(
    stack: Stack, earning_database: Database, topic: str
) -> None:
    url = earning_database.url
    late = await asyncpg.connect(url)
    transaction = late.transaction()
    await transaction.start()
    await late.execute(WRITE, pack([event(topic, "late", 1)]), 1)
    async with relaying(stack, url):
        await write(url, [[event(topic, "early", 2)]])
        assert await published(stack, topic, 1) == [("early", 2)]
        await transaction.commit()
        assert sorted(await published(stack, topic, 2)) == [("early", 2), ("late", 1)]
    await late.close()


async def test_rows_that_were_published_but_not_removed_are_published_again(
    stack: Stack, earning_database: Database, topic: str
) -> None:
    """The relay is stopped between publishing and removing: events are published at least once."""
    url = earning_database.url
    await write(url, [[event(topic, "k", 1), event(topic, "k", 2)]])
    owner = await asyncpg.connect(earning_database.owner_url)
    await owner.execute("REVOKE DELETE ON outbox FROM earning")
    async with relaying(stack, url):
        await published(stack, topic, 2)
    assert await unpublished_rows(url) == 1
    await owner.execute("GRANT DELETE ON outbox TO earning")
    await owner.close()
    async with relaying(stack, url):

        async def all_published() -> bool:
            return await unpublished_rows(url) == 0

        await eventually(all_published)
    events = await published(stack, topic, 4)
    assert events[:2] == events[2:4] == [("k", 1), ("k", 2)]


async def test_an_unexpected_failure_is_reported_and_retried(
    stack: Stack, earning_database: Database, topic: str
) -> None:
    url = earning_database.url
    connection = await asyncpg.connect(url)
    await connection.execute(WRITE, b"no events", 1)
    async with relaying(stack, url) as relay:

        async def is_reported() -> None:
            with pytest.raises(ConnectionError, match="events are not published"):
                await relay.ready()

        await eventually(is_reported)
        await write(url, [[event(topic, "k", 1)]])
        await connection.execute("DELETE FROM outbox WHERE payload = $1", b"no events")
        assert await published(stack, topic, 1) == [("k", 1)]

        async def is_ready() -> bool:
            with contextlib.suppress(ConnectionError):
                await relay.ready()
                return True
            return False

        await eventually(is_ready)
    await connection.close()


async def test_the_relay_continues_after_its_connection_is_closed(
    stack: Stack, earning_database: Database, topic: str
) -> None:
    async with relaying(stack, earning_database.url):
        await write(earning_database.url, [[event(topic, "k", 1)]])

        async def all_published() -> bool:
            return await unpublished_rows(earning_database.url) == 0

        await eventually(all_published)
        connection = await asyncpg.connect(earning_database.url)
        closed = await connection.fetchval(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
            "WHERE application_name = 'relay' AND datname = current_database()"
        )
        await connection.close()
        assert closed == 1
        await write(earning_database.url, [[event(topic, "k", 2)]])
        assert await published(stack, topic, 2) == [("k", 1), ("k", 2)]


async def test_a_record_that_the_broker_refuses_does_not_affect_later_records(stack: Stack) -> None:
    name = f"test.{secrets.token_hex(6)}"
    admin = AIOKafkaAdminClient(bootstrap_servers=stack.kafka)
    await admin.start()
    await admin.create_topics([NewTopic(name, 1, 1, topic_configs={"max.message.bytes": "1000"})])
    await admin.close()
    async with producing(stack.kafka) as producer:
        await producer.send_and_wait(name, b"first")
        with pytest.raises(MessageSizeTooLargeError):
            await producer.send_and_wait(name, b"x" * 5_000)
        for offset in (1, 2):
            assert (await producer.send_and_wait(name, b"next")).offset == offset
