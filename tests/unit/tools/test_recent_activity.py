"""The demo's last 30 days: computed from the time of the run, and acceptable to earning where meant so."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta

import pytest

from libs.contracts.events import OrderCompleted
from libs.contracts.numbers import decoder
from libs.contracts.topics import ORDER_COMPLETED
from services.earning.domain.shop_events import OutOfBounds, build_order
from tools.demo import recent
from tools.demo.publish import ShopRecord

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
# Of these two cases, earning makes dead letters while it reads them.
UNREADABLE = {"recent-negative", "recent-no-currency"}
decode = decoder(OrderCompleted).decode


def is_acceptable(record: ShopRecord) -> bool:
    try:
        build_order(decode(record.value), now=NOON)
    except OutOfBounds:
        return False
    return True


def test_a_later_run_repeats_the_orders_and_refunds_of_an_earlier_one() -> None:
    first = {record.value for record in recent.orders(NOON)}
    later = {record.value for record in recent.orders(NOON + timedelta(hours=9))}
    assert first < later


def test_no_order_lies_in_the_future_or_has_the_id_of_another() -> None:
    records = [*recent.orders(NOON), *recent.cases(NOON)]
    orders = [record.event for record in records if record.topic == ORDER_COMPLETED]
    assert max(order["completed_at"] for order in orders) <= "2026-03-10T12:00:00.000Z"
    ids = [order["order_id"] for order in orders]
    # The order that comes with another total is a case.
    assert len(ids) == len(set(ids)) + 1


@pytest.mark.parametrize("records", [recent.orders, recent.cases])
def test_earning_accepts_what_is_not_meant_to_be_refused(
    records: Callable[[datetime], Iterable[ShopRecord]],
) -> None:
    orders = [record for record in records(NOON) if record.topic == ORDER_COMPLETED]
    refused = {record.event["order_id"] for record in orders if not is_acceptable(record)}
    assert refused == (UNREADABLE if records is recent.cases else set())
