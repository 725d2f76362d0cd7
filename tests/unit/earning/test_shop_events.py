"""Shop events as postings: ids, guests, times and money."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from libs.contracts.events import OrderCompleted, OrderRefunded
from libs.contracts.numbers import decoder, plain
from services.earning.domain.order_records import Order
from services.earning.domain.refunds import Refund
from services.earning.domain.shop_events import (
    OutOfBounds,
    build_order,
    build_orders,
    build_refund,
    is_guest,
)
from tests.unit.earning.test_rule_tables import table

NOW = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)


EVENT = {
    "store_id": "store_1",
    "order_id": "o1",
    "customer_id": "cust_1",
    "total": "50.00",
    "currency": "USD",
    "completed_at": "2026-03-10T12:00:00Z",
}


def completed(**changes: Any) -> OrderCompleted:
    event = {**EVENT, **changes}
    present = {name: value for name, value in event.items() if value is not ...}
    return decoder(OrderCompleted).decode(json.dumps(present).encode())


def refunded(**changes: Any) -> OrderRefunded:
    event = {
        "store_id": "store_1",
        "order_id": "o1",
        "customer_id": "cust_1",
        "refund_id": "r1",
        "refunded_at": "2026-03-10T12:00:00Z",
        **changes,
    }
    return decoder(OrderRefunded).decode(json.dumps(event).encode())


def order(**changes: Any) -> Order:
    return build_order(completed(**changes), now=NOW)


def refund(**changes: Any) -> Refund:
    return build_refund(refunded(**changes), now=NOW)


def test_numbers_are_read_as_ids() -> None:
    posting = order(store_id=7, order_id=1042, customer_id=6940095564, program_id=3)
    assert (posting.store_id, posting.order_id, posting.customer_id, posting.program_id) == (
        *("7", "1042", "6940095564"),
        "3",
    )
    assert posting.reason == "Order 1042"
    assert (refund(order_id=1042, refund_id=99).order_id, refund(refund_id=99).refund_id) == (
        "1042",
        "99",
    )
    assert order(order_id=10**40).order_id == "1" + "0" * 40


@pytest.mark.parametrize("customer_id", ["o'brien@example.com", "josé@example.com", "王小明"])
def test_customer_ids_of_any_script_are_accepted(customer_id: str) -> None:
    assert order(customer_id=customer_id).customer_id == customer_id
    assert refund(customer_id=customer_id).customer_id == customer_id


def test_a_customer_id_is_the_same_in_every_normal_form() -> None:
    assert order(customer_id="jose\u0301").customer_id == "jos\u00e9"


@pytest.mark.parametrize("customer_id", [None, "", 0, ...])
def test_an_order_without_a_customer_is_a_guest_s(customer_id: Any) -> None:
    assert is_guest(completed(customer_id=customer_id))


@pytest.mark.parametrize("customer_id", ["0", -1, "guest"])
def test_any_other_customer_id_is_a_customer(customer_id: Any) -> None:
    assert not is_guest(completed(customer_id=customer_id))
    assert order(customer_id=customer_id).customer_id == str(customer_id)


BROKEN = [
    ("store_id", "st ore"),
    ("store_id", 10**64),
    ("customer_id", "."),
    ("customer_id", ".."),
    ("customer_id", "a b"),
    ("customer_id", 10**128),
    ("order_id", ""),
    ("order_id", "a\x1fb"),
    ("order_number", "a\nb"),
    ("program_id", "\n"),
    ("total", "-0.01"),
    ("total", "+50"),
    ("total", "0e2147483647"),
    ("total", "0.0000001"),
    ("total", 1000000000000.01),
    ("currency", "usd"),
    ("completed_at", "1970-01-01T00:00:00Z"),
    ("completed_at", "1970-01-01T23:59:59.999Z"),
    ("completed_at", "1970-01-02T10:00:00+14:00"),
    ("completed_at", "2026-03-11T12:00:00.001Z"),
]


@pytest.mark.parametrize(("field", "value"), BROKEN)
def test_a_broken_bound_names_its_field(field: str, value: Any) -> None:
    with pytest.raises(OutOfBounds, match=f"^{field}: "):
        order(**{field: value})


@pytest.mark.parametrize(("field", "value"), BROKEN)
def test_a_broken_bound_of_one_order_is_found_among_others(field: str, value: Any) -> None:
    events = [completed(order_id="o1"), completed(**{field: value}), completed(order_id="o3")]
    with pytest.raises(Exception):  # noqa: B017, PT011  any exception has them read one by one
        build_orders(events, now=NOW)


def test_orders_built_together_are_those_built_one_by_one() -> None:
    events = [
        completed(),
        completed(store_id=7, order_id=1042, customer_id=6940095564, program_id=3),
        completed(order_number="#17", program_id="loy_x", total="0.5", currency="EUR"),
        completed(order_number=17, completed_at="2026-03-10T12:00:00.123456+01:00"),
        completed(order_id="ü 漢", order_number="1 000", customer_id="a.b@c.de"),
    ]
    assert build_orders(events, now=NOW) == [build_order(event, now=NOW) for event in events]
    assert build_orders([], now=NOW) == []


def test_customers_of_other_scripts_are_left_to_be_read_one_by_one() -> None:
    """Their ids may need another normal form."""
    with pytest.raises(OutOfBounds):
        build_orders([completed(), completed(customer_id="Zoe\u0308")], now=NOW)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("refund_id", ""),
        ("amount", "-1"),
        ("amount", "0e2147483647"),
        ("refunded_at", "1970-01-01T00:00:00Z"),
        ("refunded_at", "2026-03-12T12:00:00Z"),
    ],
)
def test_a_broken_bound_of_a_refund_names_its_field(field: str, value: Any) -> None:
    with pytest.raises(OutOfBounds, match=f"^{field}: "):
        refund(**{field: value})


def test_the_earliest_and_latest_times_are_accepted() -> None:
    assert order(completed_at="1970-01-02T00:00:00Z").occurred_at.year == 1970
    assert order(completed_at="2026-03-11T12:00:00Z").occurred_at.day == 11


@pytest.mark.parametrize(("written", "read"), table("events.md", first_heading="total in JSON"))
def test_money_is_read_as_the_documentation_says(written: str, read: str) -> None:
    event = json.dumps({**EVENT, "total": "TOTAL"}).replace('"TOTAL"', written).encode()
    try:
        outcome = str(plain(build_order(decoder(OrderCompleted).decode(event), now=NOW).total))
    except msgspec.ValidationError:
        outcome = "malformed"
    except OutOfBounds:
        outcome = "invalid"
    assert outcome == str(plain(Decimal(read))) if read[0].isdigit() else outcome == read


def test_float_noise_is_rounded() -> None:
    assert order(total=0.1 + 0.2).total == Decimal("0.3")
    assert refund(amount=48.380000000000003).amount == Decimal("48.38")
