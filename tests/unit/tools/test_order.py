"""`make order` publishes no order that earning would refuse."""

import argparse
from datetime import UTC, datetime

import msgspec
import pytest

from tools.order import _encode
from tools.stack.errors import StackError

NOW = datetime(2027, 3, 10, 12, tzinfo=UTC)


def arguments(**changes: str | None) -> argparse.Namespace:
    valid = {"store": "store_x", "customer": "cust_1", "total": "50.00", "number": None}
    return argparse.Namespace(**(valid | changes))


def test_an_order_is_published_as_it_was_given() -> None:
    order = msgspec.json.decode(_encode(arguments(number="1042"), now=NOW))
    assert order["order_id"] == order["order_number"] == "1042"
    assert (order["customer_id"], order["total"]) == ("cust_1", "50.00")
    assert order["completed_at"] == "2027-03-10T12:00:00.000Z"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"customer": "a b"}, "customer_id"),
        ({"customer": ""}, "customer_id"),
        ({"total": "7,50"}, "total"),
        ({"total": "-1"}, "total"),
        ({"store": "store nope"}, "store_id"),
        ({"number": "10\n42"}, "order_id"),
    ],
)
def test_nothing_is_published_that_earning_would_refuse(
    changes: dict[str, str], field: str
) -> None:
    with pytest.raises(StackError, match=f"Nothing was published.*{field}"):
        _encode(arguments(**changes), now=NOW)
