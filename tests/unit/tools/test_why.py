"""`python -m tools why` says what to do about an order that earned nothing."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, get_args

import pytest

from libs.contracts.api import SkipReason
from libs.contracts.operations import OPERATIONS
from services.earning.handlers.orders import Order
from tools import why


def skipped(reason: str) -> Order:
    row: dict[str, Any] = {
        "order_id": "1042",
        "order_number": None,
        "reason": "Order 1042",
        "customer_id": "cust_1",
        "state": "skipped",
        "skip_reason": reason,
        "total": Decimal(50),
        "currency": "USD",
        "program_id": None,
        "tier": None,
        "entry_id": None,
        "award": 0,
        "pending": 0,
        "clawed_back": 0,
        "refunded": Decimal(0),
        "occurred_at": datetime(2026, 3, 10, 12, tzinfo=UTC),
        "recorded_at": datetime(2026, 3, 10, 12, tzinfo=UTC),
    }
    return Order(row=row, refused=None, letters=())


@pytest.mark.parametrize("reason", get_args(SkipReason))
def test_a_skipped_order_is_checked_again_where_that_can_help(reason: str) -> None:
    text = "\n".join(why.explain(skipped(reason)))
    (recheck,) = (one for one in OPERATIONS if one.id == "recheckOrders")
    request = f'{recheck.method} /v1/stores/me/{recheck.path} {{"order_ids":["1042"]}}'
    assert ("check the order again" in text) == (request in text)
    assert (request in text) == (reason != "unknown_program")
