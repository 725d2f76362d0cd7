"""Which transactions of the ledger the detectors judge."""

from typing import Any

import pytest

from libs.contracts.events import PointsPosted
from libs.messaging.cloudevents import Poison
from services.anomaly.consumers import find_earning


def posted(type_: str, points: int, **fields: Any) -> PointsPosted:
    return PointsPosted(
        store_id="store_1",
        transaction_id="txn_1",
        customer_id="cust_1",
        sequence=1,
        type=type_,
        points=points,
        balance_after=0,
        lifetime_after=0,
        reason="Order #1",
        occurred_at="2027-03-01T15:00:00.000Z",
        created_at="2027-03-01T15:00:01.000Z",
        **fields,
    )


@pytest.mark.parametrize(
    ("event", "points"),
    [
        pytest.param(posted("earn", 500), 500, id="an earning"),
        pytest.param(posted("pend", 0, pending=500), 500, id="an order whose points wait"),
        pytest.param(posted("earn", 500, pending=-500), None, id="its release"),
        pytest.param(posted("expire", 0, pending=-500), None, id="points that are given up"),
        pytest.param(posted("refund", -500), None, id="a refund"),
    ],
)
def test_an_order_is_judged_once(event: PointsPosted, points: int | None) -> None:
    earning = find_earning(event)
    assert (None if earning is None else earning.points) == points


def test_an_order_that_waits_with_no_points_is_invalid() -> None:
    with pytest.raises(Poison):
        find_earning(posted("pend", 0))
