"""The last 30 days of the demo's store: made-up customers, and the cases that an operator looks after.

The history ends in 1998. With recent orders, the charts have a present, and reviews, skipped orders and
dead letters have something to show. Everything here is computed from the time of the run: the
orders of a day are the same in every run, so a second run repeats them and adds none.
"""

import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Final

from libs.contracts.topics import ORDER_COMPLETED, ORDER_REFUNDED
from libs.kernel.clock import format_time
from tools.demo.publish import ShopRecord

DAYS: Final = 30
# No customer of the history has an id like these.
_NAMES: Final = (
    *("ada", "amir", "anna", "ben", "bruno", "chloe", "dana", "diego", "elif", "emma", "erik"),
    *("femi", "finn", "freya", "goran", "greta", "hana", "hugo", "ida", "igor", "ines", "iris"),
    *("jan", "jade", "jonas", "kai", "kira", "lara", "leo", "lina", "luca", "maja", "max", "mei"),
    *("mila", "nils", "noor", "nora", "olga", "omar", "otto", "pia", "rosa", "sami", "sara"),
    *("theo", "tom", "uma", "vera", "viktor", "wanda", "yara", "yusuf", "zoe"),
)
# Customers whose orders are the cases below; they place no others.
BURST, STAFF, LARGE, DAILY, HELD = (
    f"cust_{name}" for name in ("max", "ines", "noor", "theo", "vera")
)
CASES: Final = (BURST, STAFF, LARGE, DAILY, HELD)
# All others, the most frequent first.
ORDINARY: Final = tuple(customer for name in _NAMES if (customer := f"cust_{name}") not in CASES)

# An order of a typical shop: about 35 dollars, half of them between 25 and 50.
_DOLLARS: Final = (3.55, 0.5)
_ORDERS_ON_A_DAY: Final = (16, 30)
_WEEKEND: Final = 1.4
_SATURDAY: Final = 5
_OPENS_AT_HOUR, _CLOSES_AT_HOUR = 7, 22
# Shops send what happened, not what will.
_LATENCY: Final = timedelta(minutes=2)
_REFUNDED: Final = 0.03


def orders(now: datetime) -> Iterator[ShopRecord]:
    """The ordinary orders and refunds of the last 30 days."""
    for days_ago in range(DAYS - 1, -1, -1):
        yield from _day(now.date() - timedelta(days=days_ago), now)


def _day(day: date, now: datetime) -> Iterator[ShopRecord]:
    numbers = random.Random(day.toordinal())  # noqa: S311  a made-up history keeps no secret
    count = numbers.randint(*_ORDERS_ON_A_DAY)
    if day.weekday() >= _SATURDAY:
        count = round(count * _WEEKEND)
    opens = datetime(day.year, day.month, day.day, _OPENS_AT_HOUR, tzinfo=UTC)
    open_seconds = (_CLOSES_AT_HOUR - _OPENS_AT_HOUR) * 3_600
    for number in range(count):
        # Some customers come often, most rarely.
        customer = ORDINARY[int(len(ORDINARY) * numbers.random() ** 1.4)]
        at = opens + timedelta(seconds=numbers.uniform(0, open_seconds))
        total = Decimal(str(round(numbers.lognormvariate(*_DOLLARS), 2)))
        is_refunded = numbers.random() < _REFUNDED
        order_id = f"{day:%y%m%d}-{number:02}"
        if at <= now - _LATENCY:
            yield _order(order_id, customer, total, at)
        refunded_at = at + timedelta(hours=20)
        if is_refunded and refunded_at <= now - _LATENCY:
            yield _refund(order_id, customer, refunded_at)


def cases(now: datetime) -> Iterator[ShopRecord]:
    """Earnings that are flagged, orders that are skipped or worth nothing, records that are refused, and
    a refund without its order. They are published once."""
    yield from _flagged(now)
    customer = ORDINARY[0]
    at = now - timedelta(hours=5)
    for number in range(4):
        yield _order(f"euro-{number}", ORDINARY[number], Decimal("42.00"), at, currency="EUR")
    yield _order("another-program", customer, Decimal("18.50"), at, program_id="loy_unknown")
    yield _order("gift-card", customer, Decimal("0.00"), at)
    yield _order("sticker", ORDINARY[1], Decimal("0.05"), at)
    yield _order("negative", ORDINARY[2], Decimal("-12.00"), at)
    yield _order("no-currency", ORDINARY[3], Decimal("31.00"), at, currency="DOLLARS")
    # The same order once more, with another total.
    yield _order("gift-card", customer, Decimal("25.00"), at)
    yield _refund("not-sent-yet", ORDINARY[4], at)


def _flagged(now: datetime) -> Iterator[ShopRecord]:
    for number in range(14):
        at = now - timedelta(hours=3) + timedelta(seconds=8 * number)
        yield _order(f"burst-{number:02}", BURST, Decimal("24.90"), at)
    for number in range(11):
        at = now - timedelta(days=1, hours=2) + timedelta(seconds=9 * number)
        yield _order(f"staff-{number:02}", STAFF, Decimal("9.50"), at)
    for days_ago in range(12, 0, -2):
        at = now - timedelta(days=days_ago)
        yield _order(f"large-{days_ago:02}", LARGE, Decimal(40 + days_ago), at)
    yield _order("large-00", LARGE, Decimal("4900.00"), now - timedelta(minutes=50))
    for days_ago in range(20, 0, -1):
        at = now - timedelta(days=days_ago)
        yield _order(f"daily-{days_ago:02}", DAILY, Decimal(11 + days_ago % 3), at)
    for number in range(6):
        at = now - timedelta(minutes=40 + 20 * number)
        yield _order(f"daily-00-{number}", DAILY, Decimal("38.00"), at)
    yield _order("held-1", HELD, Decimal("64.00"), now - timedelta(minutes=12))


def _order(order_id: str, customer: str, total: Decimal, at: datetime, **more: str) -> ShopRecord:
    event = {
        "order_id": f"recent-{order_id}",
        "order_number": order_id,
        "customer_id": customer,
        "total": str(total),
        "currency": "USD",
        "completed_at": format_time(at),
        **more,
    }
    return ShopRecord(ORDER_COMPLETED, event)


def _refund(order_id: str, customer: str, at: datetime) -> ShopRecord:
    event = {
        "order_id": f"recent-{order_id}",
        "refund_id": f"refund-{order_id}",
        "customer_id": customer,
        "refunded_at": format_time(at),
    }
    return ShopRecord(ORDER_REFUNDED, event)
