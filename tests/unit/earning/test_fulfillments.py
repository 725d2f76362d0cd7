"""Fulfillments of orders: which of them the ledger keeps, and which have no effect."""

import json
from datetime import timedelta
from typing import Any

import pytest

from libs.contracts.events import OrderFulfilled
from libs.contracts.numbers import decoder
from libs.kernel.errors import Conflict
from services.earning.domain.fulfillments import Fulfillment, FulfillmentRecord
from services.earning.domain.postings import Duplicate
from services.earning.domain.shop_events import OutOfBounds, build_fulfillment
from tests.unit.earning.builders import NOON, STORE, books, order


def fulfillment(
    order_id: str = "1042", customer_id: str = "cust_1", *, days: int = 0
) -> Fulfillment:
    return Fulfillment(
        store_id=STORE,
        customer_id=customer_id,
        order_id=order_id,
        fulfilled_at=NOON + timedelta(days=days),
    )


def event(**changes: Any) -> OrderFulfilled:
    value = {
        "store_id": 7,
        "order_id": 1042,
        "customer_id": "jose\u0301",
        "fulfilled_at": "2026-03-10T14:00:00.1239+02:00",
        **changes,
    }
    return decoder(OrderFulfilled).decode(json.dumps(value).encode())


def test_the_first_fulfillment_of_an_unknown_order_waits_and_creates_no_customer() -> None:
    ledger = books()
    first = ledger.post(fulfillment())
    assert isinstance(first, FulfillmentRecord)
    assert isinstance(ledger.post(fulfillment(days=1)), Duplicate)
    assert ledger.recorded(FulfillmentRecord, first.key).fulfilled_at == NOON
    account = ledger.account(STORE, "cust_1")
    assert (account.exists, account.changed, ledger.entries) == (False, True, [])


def test_a_fulfillment_of_an_order_that_does_not_wait_for_it_has_no_effect() -> None:
    ledger = books()
    ledger.post(order("1042"))
    assert isinstance(ledger.post(fulfillment()), Duplicate)
    assert ledger.changed(FulfillmentRecord) == {}


def test_a_fulfillment_of_a_skipped_order_waits_whoever_the_order_was_of() -> None:
    """A skipped order may be replaced by one of another customer."""
    ledger = books()
    ledger.post(order("1042", currency="EUR"))
    assert isinstance(ledger.post(fulfillment(customer_id="cust_2")), FulfillmentRecord)


@pytest.mark.parametrize("suspended", [False, True], ids=["counted", "held"])
def test_a_fulfillment_of_another_customers_order_is_a_conflict(suspended: bool) -> None:
    ledger = books()
    ledger.account(STORE, "cust_1").suspended = suspended
    ledger.post(order("1042"))
    with pytest.raises(Conflict, match="belongs to another customer"):
        ledger.post(fulfillment(customer_id="cust_2"))
    assert isinstance(ledger.post(fulfillment()), FulfillmentRecord) == suspended


def test_an_event_becomes_a_fulfillment_within_its_bounds() -> None:
    posting = build_fulfillment(event(), now=NOON)
    assert (posting.key, posting.customer_id) == (("7", "1042"), "jos\u00e9")
    assert posting.fulfilled_at == NOON.replace(microsecond=123_000)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"store_id": "a b"}, "store_id"),
        ({"order_id": ""}, "order_id"),
        ({"customer_id": "a/b"}, "customer_id"),
        ({"fulfilled_at": "1970-01-01T00:00:00Z"}, "fulfilled_at"),
        ({"fulfilled_at": "2026-03-11T12:00:00.001Z"}, "fulfilled_at"),
    ],
)
def test_a_broken_bound_of_a_fulfillment_names_its_field(
    changes: dict[str, Any], field: str
) -> None:
    with pytest.raises(OutOfBounds, match=f"^{field}: "):
        build_fulfillment(event(**changes), now=NOON)
