"""`python -m tools why` says what to do about an order that earned nothing, and what points wait for."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, get_args

import pytest

from libs.contracts.api import SkipReason
from libs.contracts.operations import OPERATIONS
from services.earning.handlers.orders import Order
from tools import why


def an_order(changes: dict[str, Any], **more: Any) -> Order:
    row: dict[str, Any] = {
        "order_id": "1042",
        "order_number": None,
        "reason": "Order 1042",
        "customer_id": "cust_1",
        "state": "counted",
        "skip_reason": None,
        "total": Decimal(50),
        "currency": "USD",
        "program_id": None,
        "tier": None,
        "entry_id": None,
        "award": 0,
        "pending": 0,
        "given_up": None,
        "clawed_back": 0,
        "refunded": Decimal(0),
        "occurred_at": datetime(2026, 3, 10, 12, tzinfo=UTC),
        "recorded_at": datetime(2026, 3, 10, 12, tzinfo=UTC),
    }
    return Order(row=row | changes, refused=None, letters=(), **more)


@pytest.mark.parametrize("reason", get_args(SkipReason))
def test_a_skipped_order_is_checked_again_where_that_can_help(reason: str) -> None:
    order = an_order({"state": "skipped", "skip_reason": reason})
    text = "\n".join(why.explain(order))
    (recheck,) = (one for one in OPERATIONS if one.id == "recheckOrders")
    request = f'{recheck.method} /v1/stores/me/{recheck.path} {{"order_ids":["1042"]}}'
    assert ("check the order again" in text) == (request in text)
    assert (request in text) == (reason != "unknown_program")


@pytest.mark.parametrize(
    ("row", "available_at", "expected"),
    [
        pytest.param({}, None, "it earned 500 points.", id="available"),
        pytest.param(
            {"pending": 400},
            datetime(2026, 3, 25, tzinfo=UTC),
            "its 400 points wait until 2026-03-25T00:00:00.000Z.",
            id="until a day",
        ),
        pytest.param(
            {"pending": 500},
            None,
            "its 500 points wait for its fulfillment, the event order.fulfilled.",
            id="for the fulfillment",
        ),
        pytest.param(
            {"given_up": 500},
            None,
            "its 500 points were given up, since its fulfillment did not arrive in time. If it was "
            "fulfilled, award them manually.",
            id="given up",
        ),
    ],
)
def test_points_that_cannot_be_spent_are_not_said_to_be_earned(
    row: dict[str, Any], available_at: datetime | None, expected: str
) -> None:
    order = an_order({"award": 500, **row}, available_at=available_at)
    assert next(why.explain(order)) == f"1042 is counted: {expected}"
