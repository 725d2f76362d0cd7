"""Masses of hostile records on every consumed topic: every good record is applied, every bad record
becomes a dead letter, nothing stops."""

import base64
import json
import random
from collections.abc import Iterator, Sequence
from typing import Final

import aiohttp
import pytest
from msgspec import Struct

from libs.contracts.operations import OWNERS
from libs.contracts.topics import CATALOG_REWARD, record_key
from libs.testing.eventually import eventually
from tests.chaos import letters
from tests.chaos.effects import TOPICS, ConsumedTopic, applied, lag
from tests.chaos.hostile import Hostile, Maker
from tests.chaos.hostile_kinds import HEAVY, KINDS
from tests.chaos.hostile_values import spoiled
from tests.chaos.letters import Letters
from tests.chaos.records import CODECS, Headers, Place, RawProducer, Record, encode_batch
from tests.support import Shop, Stack

_LARGE_BYTES: Final = 20_000
_BATCH: Final = 40
_TIMES: Final = (0, -1, -(10**13), -(2**62))
_SERVICES: Final = ("gateway", *OWNERS)


class Sent(Struct):
    """The places of good and of hostile records."""

    good: set[Place]
    hostile: dict[Place, Hostile]


class Size(Struct, frozen=True):
    """How many good and how many hostile records each topic gets, how many of the latter are heavy, and
    how long a topic may take."""

    each: int
    heavy: int
    seconds: float


@pytest.mark.parametrize(
    "size",
    [
        # The timeout includes the start of the stack.
        pytest.param(
            Size(each=250, heavy=len(HEAVY), seconds=150), id="250", marks=pytest.mark.timeout(600)
        ),
        pytest.param(
            Size(each=10_000, heavy=100, seconds=600),
            id="10,000",
            marks=[pytest.mark.long, pytest.mark.timeout(1_800)],
        ),
    ],
)
async def test_hostile_records_among_as_many_good_ones(shop: Shop, size: Size) -> None:
    await shop.program(tiers=[])
    seed = random.randrange(10**6)
    print("seed", seed)
    choose = random.Random(seed)
    before = _pids(shop.stack)
    starts = {topic.name: await letters.end(shop.stack, topic.name) for topic in TOPICS}
    async with RawProducer(shop.stack.kafka) as producer:
        sent = {}
        for topic in TOPICS:
            sent[topic.name] = await _send(producer, shop, topic, size, choose)
            await _all_applied(shop, topic, size)

    await eventually(lambda: _caught_up(shop.stack), within_seconds=size.seconds, every=0.5)
    for topic in TOPICS:
        published = await letters.since(shop.stack, starts[topic.name])
        faults = list(_faults(sent[topic.name], published, topic))
        assert not faults, f"{len(faults)} on {topic.name}: {faults[:20]}"
        assert await applied(shop.stack, topic, _hostile_store(shop)) == 0
    await _all_ready(shop.stack)
    assert _pids(shop.stack) == before, "a service was restarted"
    assert "order.completed  malformed" in shop.stack.run("dead-letters", "list").stdout


async def _send(
    producer: RawProducer, shop: Shop, topic: ConsumedTopic, size: Size, choose: random.Random
) -> Sent:
    """Send good and hostile records in random order, in batches of random size and codec."""
    sent = Sent(set(), {})
    items: list[Record | Hostile] = [
        _good(topic, _good_store(shop, topic), number, choose) for number in range(size.each)
    ]
    items += _hostile_ones(shop, topic, size, choose)
    choose.shuffle(items)
    for run in _batches(items, choose):
        partition = choose.randrange(6)
        first = await producer.send(topic.name, partition, _encode(run, choose))
        for index, item in enumerate(run):
            place = Place(topic.name, partition, first.offset + index)
            if isinstance(item, Hostile):
                sent.hostile[place] = item
            else:
                sent.good.add(place)
    return sent


def _hostile_ones(
    shop: Shop, topic: ConsumedTopic, size: Size, choose: random.Random
) -> list[Hostile]:
    """Each kind at least once, then random ones."""
    maker = Maker(topic=topic, store_id=_hostile_store(shop), choose=choose)
    names = [name for name in HEAVY for _ in range(size.heavy // len(HEAVY))]
    hostile_records = [HEAVY[name](maker) for name in names] + [
        make(maker) for make in KINDS.values()
    ]
    kinds = list(KINDS.values())
    while len(hostile_records) < size.each:
        hostile_records.append(
            spoiled(maker) if choose.random() < 0.5 else choose.choice(kinds)(maker)
        )
    return hostile_records


def _good(topic: ConsumedTopic, store_id: str, number: int, choose: random.Random) -> Record:
    """A valid event in a random mode, with odd headers, keys and times that change nothing."""
    event = topic.event(store_id, number)
    value, headers = choose.choice((_bare, _binary, _structured, _in_base64))(topic.name, event)
    more: tuple[Headers, ...] = (
        (),
        ((b"h", b"\xff"), (b"h", b"2")),
        ((b"x-shop", None), (b"", b"")),
        tuple((b"h%d" % n, b"v") for n in range(300)),
    )
    keys: list[bytes | None] = [record_key(store_id, str(number))] * 3
    keys += [b"\xff\x00", b""]
    # A broker refuses records without a key on a compacted topic.
    keys.append(b"k" * 1_000 if topic.name == CATALOG_REWARD else None)
    return Record(
        value=value,
        key=choose.choice(keys),
        headers=headers + choose.choice(more),
        timestamp=choose.choice(_TIMES) if choose.random() < 0.2 else None,
        attributes=choose.choice((0, 0, 0, 0x7F)),
    )


def _bare(topic: str, event: object) -> tuple[bytes, Headers]:
    return json.dumps(event).encode(), ()


def _binary(topic: str, event: object) -> tuple[bytes, Headers]:
    return json.dumps(event).encode(), (
        (b"ce_specversion", b"1.0"),
        (b"ce_id", b"1"),
        (b"ce_source", b"/shop"),
        (b"ce_type", topic.encode()),
        (b"content-type", b"application/json"),
    )


def _structured(topic: str, event: object) -> tuple[bytes, Headers]:
    envelope = {"specversion": "1.0", "id": "1", "source": "/shop", "type": topic, "data": event}
    return json.dumps(envelope).encode(), ((b"content-type", b"Application/CloudEvents+JSON"),)


def _in_base64(topic: str, event: object) -> tuple[bytes, Headers]:
    data = base64.b64encode(json.dumps(event).encode()).decode()
    envelope = {"specversion": "1.0", "id": "1", "source": "/", "type": topic, "data_base64": data}
    return json.dumps(envelope).encode(), ((b"content-type", b"application/cloudevents+json"),)


def _batches(
    items: Sequence[Record | Hostile], choose: random.Random
) -> Iterator[list[Record | Hostile]]:
    """Runs of random length; large records and whole batches are sent alone."""
    run: list[Record | Hostile] = []
    for item in items:
        if _goes_alone(item):
            yield [item]
            continue
        run.append(item)
        if len(run) > choose.randrange(_BATCH):
            yield run
            run = []
    if run:
        yield run


def _goes_alone(item: Record | Hostile) -> bool:
    if isinstance(item, Hostile) and item.batch is not None:
        return True
    record = _record_of(item)
    headers = sum(len(name) + len(value or b"") for name, value in record.headers)
    return headers + len(record.key or b"") + len(record.value or b"") > _LARGE_BYTES


def _encode(run: Sequence[Record | Hostile], choose: random.Random) -> bytes:
    if isinstance(run[0], Hostile) and run[0].batch is not None:
        return run[0].batch
    return encode_batch([_record_of(item) for item in run], codec=choose.choice(list(CODECS)))


def _record_of(item: Record | Hostile) -> Record:
    return item.record if isinstance(item, Hostile) else item


async def _all_applied(shop: Shop, topic: ConsumedTopic, size: Size) -> None:
    async def look() -> None:
        number = await applied(shop.stack, topic, _good_store(shop, topic))
        assert number == size.each, f"{topic.name}: {number} of {size.each} are applied"

    await eventually(look, within_seconds=size.seconds, every=0.5)


async def _caught_up(stack: Stack) -> None:
    lagging = await lag(stack)
    assert not lagging, lagging


def _faults(sent: Sent, published: Letters, topic: ConsumedTopic) -> Iterator[str]:
    """What is wrong with the dead letters of a topic."""
    for place in sent.good & published.keys():
        yield f"a good record at {place} is a dead letter: {next(iter(published[place].values()))}"
    for place, hostile in sent.hostile.items():
        by_service = published.get(place, {})
        expected = {"each": topic.services, "none": frozenset()}.get(hostile.letters)
        if expected is not None and by_service.keys() != expected:
            yield f"{hostile.kind} at {place}: letters of {sorted(by_service)}"
        if hostile.letters == "some" and not by_service:
            yield f"{hostile.kind} at {place}: no letter"
        if hostile.letters == "any":
            continue
        for service, letter in by_service.items():
            faults = letters.faults_of(letter, hostile.record, readable=hostile.readable)
            if letter.code not in hostile.codes:
                faults.append(f"code {letter.code} {letter.headers['dlq-detail']!r}")
            if faults:
                yield f"{hostile.kind} at {place}: {service} says {faults}"


def _pids(stack: Stack) -> dict[str, int | None]:
    return {name: stack.process(name).pid for name in _SERVICES}


async def _all_ready(stack: Stack) -> None:
    async with aiohttp.ClientSession() as session:
        for name in _SERVICES:
            async with session.get(
                f"http://{stack.process(name).address}/health/ready"
            ) as response:
                assert response.status == 200, (name, await response.text())


def _good_store(shop: Shop, topic: ConsumedTopic) -> str:
    """The shop's own where earning applies the topic; another for the events that earning publishes."""
    return shop.store_id if topic.owner == "earning" else f"p-{shop.store_id}"


def _hostile_store(shop: Shop) -> str:
    return f"h-{shop.store_id}"
