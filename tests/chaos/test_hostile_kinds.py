"""One hostile record between good ones of its partition: the good ones are applied, the hostile
record becomes a dead letter that says why and names its place, and every consumer goes on."""

from typing import Any, Final

import pytest
from aiokafka.errors import MessageSizeTooLargeError

from libs.contracts.topics import (
    CATALOG_REWARD,
    ORDER_COMPLETED,
    ORDER_REFUNDED,
    POINTS_ADJUSTED,
    POINTS_EARNED,
    POINTS_REDEEMED,
)
from tests.chaos.between import BY_TOPIC, letter_of, maker
from tests.chaos.hostile import INVALID, REFUSED, Hostile, Letters, Maker
from tests.chaos.hostile_kinds import HEAVY, KINDS
from tests.chaos.hostile_values import Written, spoil
from tests.chaos.letters import KEPT_BYTES
from tests.chaos.records import RawProducer, encode_batch, filled_record
from tests.support import Shop

_MIB: Final = 1_048_576


def spoiled(
    shop_maker: Maker,
    field: str,
    value: Any,
    codes: frozenset[str] = REFUSED,
    letters: Letters = "each",
) -> Hostile:
    record = shop_maker.record(spoil(shop_maker, field, value))
    return Hostile(kind=field, record=record, codes=codes, letters=letters)


async def test_a_null_content_type(shop: Shop) -> None:
    shop_maker = maker(shop)
    record = shop_maker.record(shop_maker.garbage(), headers=((b"content-type", None),))
    await letter_of(shop, Hostile(kind="null content-type", record=record))


async def test_no_key_and_no_value(shop: Shop) -> None:
    letter = await letter_of(shop, KINDS["no key and no value"](maker(shop)))
    assert letter.value in {None, b""}


@pytest.mark.parametrize(
    "kind", ["at the limit", "headers up to the limit", "a key up to the limit"]
)
async def test_a_record_as_large_as_the_topic_takes(shop: Shop, kind: str) -> None:
    await letter_of(shop, HEAVY[kind](maker(shop)))


async def test_a_record_over_a_mebibyte_is_refused_by_the_broker(shop: Shop) -> None:
    async with RawProducer(shop.stack.kafka) as producer:
        with pytest.raises(MessageSizeTooLargeError):
            await producer.send(ORDER_COMPLETED, 0, encode_batch([filled_record(_MIB + 4_096)]))


async def test_a_letter_over_the_limit_is_truncated_and_says_so(shop: Shop) -> None:
    """The letter also carries the place and the digest, which `letter_of` compares."""
    record = maker(shop).record(b"x" * (_MIB + _MIB // 2), headers=((b"x-shop", b"1"),))
    batch = encode_batch([record], codec="gzip")
    letter = await letter_of(shop, Hostile(kind="large", record=record, batch=batch, codes=INVALID))
    assert letter.truncated
    assert letter.key == record.key
    assert letter.value == b"x" * KEPT_BYTES


@pytest.mark.parametrize("codec", ["gzip", "lz4", "zstd"])
async def test_30_mb_of_zeros_in_a_small_batch(shop: Shop, codec: str) -> None:
    hostile = HEAVY[f"zeros in {codec}"](maker(shop))
    assert len(hostile.batch or b"") < 150_000
    letter = await letter_of(shop, hostile)
    assert letter.truncated
    assert len(letter.value or b"") <= KEPT_BYTES


async def test_a_header_name_that_is_not_utf_8(shop: Shop) -> None:
    await letter_of(shop, KINDS["header names of bytes"](maker(shop)))


@pytest.mark.parametrize(
    ("value", "codes"),
    [
        pytest.param(Written("0e2147483647"), INVALID, id="0e2147483647"),
        pytest.param(Written("0E+999999999999999999"), INVALID, id="0E+999999999999999999"),
        pytest.param("0e2147483647", REFUSED, id="0e2147483647 as text"),
        pytest.param("0E+999999999999999999", REFUSED, id="0E+999999999999999999 as text"),
    ],
)
@pytest.mark.parametrize(
    ("topic", "field"), [(ORDER_COMPLETED, "total"), (ORDER_REFUNDED, "amount")]
)
async def test_an_exponent_beyond_all_bounds(
    shop: Shop, topic: str, field: str, value: str, codes: frozenset[str]
) -> None:
    hostile = spoiled(maker(shop, topic), field, value, codes)
    await letter_of(shop, hostile, BY_TOPIC[topic])


@pytest.mark.parametrize(
    ("field", "value", "codes"),
    [
        pytest.param("order_number", "10\x0042", INVALID, id="NUL in the number"),
        pytest.param("order_id", "10\x0042", INVALID, id="NUL in the id"),
        pytest.param("program_id", "loy_\x00", INVALID, id="NUL in the program"),
        pytest.param("order_id", "".join(map(chr, range(0x4E00, 0x6000))), INVALID, id="too long"),
        pytest.param("completed_at", "9999-12-31T23:59:59-23:59", REFUSED, id="after year 9999"),
        pytest.param("completed_at", "0001-01-01T00:00:00+23:59", REFUSED, id="before year 1"),
    ],
)
async def test_a_value_that_the_database_refuses(
    shop: Shop, field: str, value: str, codes: frozenset[str]
) -> None:
    await letter_of(shop, spoiled(maker(shop), field, value, codes))


@pytest.mark.parametrize("kind", ["version 2", "version 2 without a type", "structured: version 2"])
async def test_another_version(shop: Shop, kind: str) -> None:
    letter = await letter_of(shop, KINDS[kind](maker(shop)))
    assert letter.code == "unsupported_version"


@pytest.mark.parametrize(
    ("kind", "word"),
    [
        ("schema registry", "schema"),
        ("UTF-16", "utf-16"),
        ("gzip as the value", "gzip"),
        ("Connect", "connect"),
        ("Debezium", "debezium"),
        ("structured without the header", "cloudevent"),
    ],
)
async def test_the_detail_names_what_a_value_looks_like(shop: Shop, kind: str, word: str) -> None:
    letter = await letter_of(shop, KINDS[kind](maker(shop)))
    assert letter.code == "malformed"
    assert word in (letter.headers["dlq-detail"] or b"").decode().lower()


@pytest.mark.parametrize(
    ("topic", "field", "value"),
    [
        pytest.param(CATALOG_REWARD, "created_at", "x", id="a reward of no time"),
        pytest.param(CATALOG_REWARD, "name", "a\x00", id="a reward with NUL"),
        pytest.param(CATALOG_REWARD, "points_cost", 2**63, id="a price too high"),
        pytest.param(POINTS_EARNED, "customer_id", "a\x00", id="earned with NUL"),
        pytest.param(POINTS_EARNED, "occurred_at", "x", id="earned at no time"),
        pytest.param(POINTS_EARNED, "points", 2**63, id="earned too much"),
        pytest.param(POINTS_REDEEMED, "store_id", "a\x00", id="redeemed with NUL"),
        pytest.param(POINTS_ADJUSTED, "transaction_id", "a\x00", id="adjusted with NUL"),
    ],
)
async def test_our_own_events_have_bounds(shop: Shop, topic: str, field: str, value: Any) -> None:
    hostile = spoiled(maker(shop, topic), field, value, letters="some")
    await letter_of(shop, hostile, BY_TOPIC[topic])
