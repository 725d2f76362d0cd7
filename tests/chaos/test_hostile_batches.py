"""Batches that a broker accepts and the client library cannot read, or reads at a price."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

import psutil
import pytest
from aiokafka import AIOKafkaProducer
from msgspec.structs import replace

from tests.chaos.between import (
    ORDERS,
    between_good,
    caught_up,
    count,
    good,
    letter_of,
    letters_at,
    maker,
    ready,
)
from tests.chaos.hostile_kinds import KINDS
from tests.chaos.records import Headers, Place, RawProducer, Record, encode_batch
from tests.support import Shop

_MB: Final = 1_000_000
_GROWTH_BYTES: Final = 300 * _MB
_BACKLOG: Final = 200_000
_BATCH: Final = 2_000
_BOMB_EVERY: Final = 5


@pytest.mark.parametrize(
    "kind",
    [
        "gzip with garbage behind",
        "lz4 with a wrong checksum",
        "snappy of another version",
        "attributes that are no varint",
    ],
)
async def test_a_batch_that_the_client_cannot_read_is_a_dead_letter(shop: Shop, kind: str) -> None:
    await letter_of(shop, KINDS[kind](maker(shop)))


@pytest.mark.parametrize("kind", ["header names of bytes", "attributes that shift the offset"])
async def test_good_records_that_share_a_batch_with_an_unreadable_one_are_applied(
    shop: Shop, kind: str
) -> None:
    unreadable = KINDS[kind](maker(shop)).record
    batch = encode_batch([good(shop, ORDERS, 2), unreadable, good(shop, ORDERS, 3)])
    (first,) = await between_good(shop, ORDERS, [batch])
    place = Place(first.topic, first.partition, first.offset + 1)
    assert (await letters_at(shop, place))["earning"].code == "malformed"
    await count(shop, ORDERS, 4)
    await ready(shop.stack, "earning")


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param(((b"content-type", None), (b"ce_dataschema", None)), id="null"),
        pytest.param(((b"", None), (b"", b"")), id="without a name"),
        pytest.param(tuple((b"h%d" % n, b"v") for n in range(10_000)), id="many"),
        pytest.param(((b"h", b"\xff"), (b"h", b"\x00")), id="one name twice, no text"),
    ],
)
async def test_a_good_order_with_odd_headers_is_posted(shop: Shop, headers: Headers) -> None:
    await between_good(
        shop, ORDERS, [encode_batch([replace(good(shop, ORDERS, 2), headers=headers)])]
    )
    await count(shop, ORDERS, 3)


@pytest.mark.parametrize("key", [None, b"", b"\xff\x00", b"k" * 500_000])
async def test_a_good_order_with_any_key_is_posted(shop: Shop, key: bytes | None) -> None:
    await between_good(shop, ORDERS, [encode_batch([replace(good(shop, ORDERS, 2), key=key)])])
    await count(shop, ORDERS, 3)


@pytest.mark.parametrize("at", [0, -1, -(10**13), -62_135_596_800_001, -(2**62)])
async def test_a_good_order_of_any_record_time_is_posted(shop: Shop, at: int) -> None:
    await between_good(shop, ORDERS, [encode_batch([replace(good(shop, ORDERS, 2), timestamp=at)])])
    await count(shop, ORDERS, 3)


@pytest.mark.parametrize(
    "finish",
    [
        pytest.param(AIOKafkaProducer.commit_transaction, id="committed"),
        pytest.param(AIOKafkaProducer.abort_transaction, id="aborted"),
    ],
)
async def test_a_transaction_s_marker_at_the_end_of_a_topic_is_no_lag(
    shop: Shop, finish: Callable[[AIOKafkaProducer], Awaitable[None]]
) -> None:
    await shop.program(tiers=[])
    async with AIOKafkaProducer(
        bootstrap_servers=shop.stack.kafka, transactional_id=f"t-{shop.store_id}"
    ) as producer:
        await producer.begin_transaction()
        for number in range(3):
            value = good(shop, ORDERS, number).value
            await producer.send_and_wait(ORDERS.name, value, key=b"k", partition=0)
        await finish(producer)
    await caught_up(shop.stack, ORDERS)


@pytest.mark.long
@pytest.mark.timeout(900)
async def test_memory_stays_bounded_under_hostile_compressed_batches(shop: Shop) -> None:
    """A compressed backlog of orders, interspersed with batches that unpack to 200 MB each."""
    await shop.program(tiers=[])
    bomb = encode_batch([Record(key=b"k", value=bytes(200 * _MB))], codec="zstd")
    assert len(bomb) < 20_000
    places = []
    async with (
        peak_growth(shop.stack.process("earning").pid) as growth,
        RawProducer(shop.stack.kafka) as producer,
    ):
        for number, start in enumerate(range(0, _BACKLOG, _BATCH)):
            orders = [good(shop, ORDERS, n) for n in range(start, start + _BATCH)]
            await producer.send(ORDERS.name, number % 6, encode_batch(orders, codec="zstd"))
            if number % _BOMB_EVERY == 0:
                places.append(await producer.send(ORDERS.name, number % 6, bomb))
        await count(shop, ORDERS, _BACKLOG, within_seconds=600)
        await caught_up(shop.stack, ORDERS)
    print("grew by", growth() // _MB, "MB")
    assert growth() < _GROWTH_BYTES
    for place in places:
        assert (await letters_at(shop, place))["earning"].truncated
    await ready(shop.stack, "earning")


@contextlib.asynccontextmanager
async def peak_growth(pid: int | None) -> AsyncIterator[Callable[[], int]]:
    """By how many bytes a process's resident memory grew at most, sampled all the time."""
    process = psutil.Process(pid)
    before = process.memory_info().rss
    seen = [before]

    async def watch() -> None:
        while True:
            seen.append(process.memory_info().rss)
            await asyncio.sleep(0.02)

    watching = asyncio.create_task(watch())
    try:
        yield lambda: max(seen) - before
    finally:
        watching.cancel()
