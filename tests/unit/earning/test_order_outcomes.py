"""What the metric and the list of orders say of an order that earned nothing."""

from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from services.earning.domain.order_records import OrderRecord
from services.earning.domain.orders import outcome_of
from tests.unit.earning.builders import NOON, STORE

RECORD = OrderRecord(
    store_id=STORE,
    order_id="1042",
    account_id=1,
    total=Decimal("50.00"),
    currency="USD",
    program_id=None,
    state="counted",
    reason="Order 1042",
    occurred_at=NOON,
)

OUTCOMES = [
    pytest.param({"award": 500}, ("counted", ""), id="posted"),
    pytest.param({"total": Decimal(0)}, ("counted", "total_is_zero"), id="a total of 0"),
    pytest.param({"total": Decimal("0.05")}, ("counted", "below_one_point"), id="rounded down"),
    pytest.param({"state": "held"}, ("held", "account_suspended"), id="held"),
    pytest.param(
        {"state": "skipped", "skip_reason": "other_currency"},
        ("skipped", "other_currency"),
        id="skipped",
    ),
]


@pytest.mark.parametrize(("changes", "expected"), OUTCOMES)
def test_an_order_has_an_outcome_and_a_reason(
    changes: dict[str, Any], expected: tuple[str, str]
) -> None:
    assert outcome_of(replace(RECORD, **changes)) == expected
