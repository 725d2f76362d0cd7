"""Invalid records become dead letters with their bytes and the reason; their neighbors count."""

import json

import pytest

from libs.testing.eventually import eventually
from tests.support import Shop

FAR = "2190-01-01T00:00:00Z"


def event(shop: Shop, **changes: object) -> bytes:
    return json.dumps(shop.order("bad", **changes)).encode()


def without(shop: Shop, field: str) -> bytes:
    return json.dumps({k: v for k, v in shop.order("bad").items() if k != field}).encode()


CASES = [
    pytest.param("malformed", lambda _: b"{not json", id="broken JSON"),
    pytest.param("malformed", lambda _: b"", id="empty"),
    pytest.param("malformed", lambda _: b"\xff\xfe\x00", id="not UTF-8"),
    pytest.param("malformed", lambda _: b"[" * 100_000, id="nested too deeply"),
    pytest.param("malformed", lambda s: event(s, total=True), id="a total of a wrong type"),
    pytest.param("malformed", lambda s: event(s, total="much"), id="a total that is not a number"),
    pytest.param("malformed", lambda s: without(s, "order_id"), id="a missing field"),
    pytest.param(
        "malformed", lambda s: event(s, completed_at="2026-03-10T12:00:00"), id="no offset"
    ),
    pytest.param("malformed", lambda s: event(s).replace(b'"50.00"', b"NaN"), id="a bare NaN"),
    pytest.param("malformed", lambda s: event(s, total="NaN"), id="NaN as text"),
    pytest.param("malformed", lambda s: event(s, total="1_000"), id="a total with an underscore"),
    pytest.param("malformed", lambda s: event(s, total="٥٠"), id="digits of another script"),
    pytest.param("malformed", lambda s: event(s, total=" 50.00 "), id="spaces around a total"),
    pytest.param("malformed", lambda s: event(s, total="5e1"), id="an exponent in text"),
    pytest.param("malformed", lambda s: event(s, customer_id=True), id="a boolean customer"),
    pytest.param("invalid", lambda s: event(s, total="+50"), id="a total with a sign"),
    pytest.param("invalid", lambda s: event(s, total="0e2147483647"), id="a huge exponent as text"),
    pytest.param(
        "invalid",
        lambda s: event(s).replace(b'"50.00"', b"0E+999999999999999999"),
        id="a huge exponent",
    ),
    pytest.param(
        "invalid", lambda s: event(s, customer_id=".."), id="a customer that no path can name"
    ),
    pytest.param(
        "invalid",
        lambda s: event(s, completed_at="1970-01-01T12:00:00Z"),
        id="the epoch, sent for never",
    ),
    pytest.param("invalid", lambda s: event(s, total="-0.01"), id="a negative total"),
    pytest.param("invalid", lambda s: event(s, total="1000000000000.01"), id="a total too large"),
    pytest.param("invalid", lambda s: event(s, total="0.0000001"), id="too many decimals"),
    pytest.param("invalid", lambda s: event(s, total="1e400"), id="a total beyond every bound"),
    pytest.param("invalid", lambda s: event(s, currency="usd"), id="a currency in lower case"),
    pytest.param("invalid", lambda s: event(s, customer_id="a b"), id="a customer with a space"),
    pytest.param("invalid", lambda s: event(s, customer_id="c" * 129), id="a customer too long"),
    pytest.param("invalid", lambda s: event(s, order_id="a\x1fb"), id="a control character"),
    pytest.param("invalid", lambda s: event(s, store_id="st ore"), id="a store with a space"),
    pytest.param("invalid", lambda s: event(s, completed_at="1869-05-10T12:00:00Z"), id="long ago"),
    pytest.param("invalid", lambda s: event(s, completed_at=FAR), id="far ahead"),
    pytest.param("invalid", lambda s: event(s, total="999999999999"), id="worth too many points"),
]


@pytest.mark.parametrize(("code", "make"), CASES)
async def test_an_invalid_record_is_a_dead_letter_and_its_neighbors_count(
    shop: Shop, code: str, make: object
) -> None:
    await shop.program()
    value = make(shop)  # type: ignore[operator]
    key = f"{shop.store_id}:cust_1".encode()
    await shop.publish(shop.order("before"), key=key)
    place = await shop.publish(value, key=key, headers=[("x-shop", b"\xff\x00")])
    await shop.publish(shop.order("after"), key=key)
    await shop.balance_becomes(1_000)
    letter = await shop.dead_letter(place)
    assert letter.headers["dlq-code"] == code.encode()
    assert letter.value == value
    assert letter.key == key
    assert letter.headers["x-shop"] == b"\xff\x00"
    assert letter.headers["dlq-detail"]
    assert letter.headers["dlq-service"] == b"earning"


async def test_a_record_of_900_kb_is_a_dead_letter(shop: Shop) -> None:
    value = json.dumps({"padding": "x" * 900_000}).encode()
    place = await shop.publish(value)
    letter = await shop.dead_letter(place)
    assert letter.headers["dlq-code"] == b"malformed"
    assert letter.value == value


async def test_a_tombstone_is_a_dead_letter(shop: Shop) -> None:
    place = await shop.publish_raw(None, key=b"some:one")
    letter = await shop.dead_letter(place)
    assert (letter.value, letter.headers["dlq-code"]) == (None, b"malformed")


async def test_a_large_order_with_many_items_counts(shop: Shop) -> None:
    await shop.program()
    items = [{"sku": f"sku-{n}", "quantity": 1, "unit_price": "0.01"} for n in range(10_000)]
    await shop.publish(shop.order("large", items=items))
    await shop.balance_becomes(500)


async def test_the_same_order_with_another_total_is_a_conflict(shop: Shop) -> None:
    await shop.program()
    await shop.publish(shop.order("o1"))
    await shop.balance_becomes(500)
    place = await shop.publish(shop.order("o1", total="60.00"))
    letter = await shop.dead_letter(place)
    assert letter.headers["dlq-code"] == b"conflict"
    assert (await shop.status())["points_balance"] == 500


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        pytest.param(
            {"ce_dataschema": b"/events/order.completed/v2"}, b"unsupported_version", id="v2"
        ),
        pytest.param({"ce_type": b"order.shipped"}, b"malformed", id="another type"),
        pytest.param({"ce_type": b"\xff"}, b"malformed", id="a type that is not UTF-8"),
    ],
)
async def test_an_event_of_another_version_or_type_is_refused(
    shop: Shop, headers: dict[str, bytes], code: bytes
) -> None:
    await shop.program()
    sent = {"ce_specversion": b"1.0", "ce_type": b"order.completed", **headers}
    place = await shop.publish(shop.order("o1"), headers=list(sent.items()))
    assert (await shop.dead_letter(place)).headers["dlq-code"] == code


async def test_structured_binary_and_bare_events_all_count(shop: Shop) -> None:
    await shop.program()
    envelope = {
        "specversion": "1.0",
        "id": "1",
        "source": "/shop",
        "type": "order.completed",
        "data": shop.order("structured"),
    }
    await shop.publish(
        json.dumps(envelope).encode(),
        key=f"{shop.store_id}:cust_1".encode(),
        headers=[("content-type", b"application/cloudevents+json; charset=utf-8")],
    )
    binary = {
        "ce_specversion": b"1.0",
        "ce_id": b"2",
        "ce_source": b"/shop",
        "ce_type": b"order.completed",
        "ce_dataschema": b"https://shop.example/order.completed/v1",
        "content-type": b"application/json",
    }
    await shop.publish(shop.order("binary"), headers=list(binary.items()))
    await shop.publish(shop.order("bare", total=50.00))
    await shop.balance_becomes(1_500)


async def test_dead_letters_are_listed_shown_replayed_and_dropped(shop: Shop) -> None:
    """An order that earned too many points counts when it is replayed after the rate was lowered."""
    program = await shop.program(points_per_dollar=1_000_000)
    value = json.dumps(shop.order("o1", total="1000001")).encode()
    key = f"{shop.store_id}:cust_1".encode()
    dead = await shop.dead_letter(await shop.publish(value, key=key))
    place = f"{dead.topic}:{dead.partition}:{dead.offset}"
    other = await shop.dead_letter(await shop.publish(b"{", key=key))
    dropped = f"{other.topic}:{other.partition}:{other.offset}"

    run = shop.stack.run
    assert "order.completed  invalid" in run("dead-letters", "list").stdout
    shown = run("dead-letters", "show", place).stdout
    assert "dlq-code: invalid" in shown
    assert value.decode() in shown

    await shop.call("PATCH", f"loyalty-programs/{program['id']}", {"points_per_dollar": 1})
    assert "Replayed 1." in run("dead-letters", "replay", place).stdout
    await shop.balance_becomes(1_000_001)
    assert "Dropped 1." in run("dead-letters", "drop", dropped).stdout

    def is_handled() -> None:
        again = run("dead-letters", "replay", place, dropped, check=False)
        assert again.returncode == 1
        assert place in again.stderr

    await eventually(is_handled)
