"""Several postings in one batch on an account whose points expire."""

from datetime import timedelta

from libs.contracts.lifecycle import Expiry
from services.earning.domain import entry_lots
from services.earning.domain.dates import to_date
from services.earning.domain.timelines import SettingsVersion, Timeline, build_epochs
from tests.unit.earning.builders import NOON, STORE, Ledger, books, order
from tests.unit.earning.test_refunds import refund


def expiring_books() -> Ledger:
    """An empty batch of a store whose points expire after ten days, at noon of 2026-03-10."""
    ledger = books()
    (program,) = ledger.programs(STORE).all
    version = SettingsVersion(
        program_id=program.id,
        at=NOON - timedelta(days=100),
        is_active=True,
        time_zone=None,
        expiry=Expiry(kind="after", days=10),
        remind_days=None,
    )
    ledger.timelines = {STORE: Timeline(build_epochs([version]), NOON)}
    return ledger


def postings_of(ledger: Ledger) -> list[tuple[str, int, dict[str, int]]]:
    """The type, the points, and the lots by last day of each entry."""
    return [
        (
            entry.type,
            entry.points,
            {
                f"{to_date(part.day):%m-%d}": part.points
                for part in entry_lots.decode(entry.lots or "[]").parts
            },
        )
        for entry in ledger.entries
    ]


def test_a_refund_takes_the_lot_of_its_order_of_the_same_batch() -> None:
    ledger = expiring_books()
    ledger.post(order("o1", "1.00"))
    ledger.post(order("o2", "2.00", occurred_at=NOON - timedelta(days=5)))
    ledger.post(refund("r1", order_id="o1"))
    ledger.post(order("o3", "3.00", occurred_at=NOON - timedelta(days=2)))
    ledger.post(refund("r3", order_id="o3"))
    assert postings_of(ledger) == [
        ("earn", 10, {"03-20": 10}),
        ("earn", 20, {"03-15": 20}),
        ("refund", -10, {"03-20": 10}),
        ("earn", 30, {"03-18": 30}),
        ("refund", -30, {"03-18": 30}),
    ]


def test_points_whose_date_has_passed_expire_before_the_next_posting() -> None:
    ledger = expiring_books()
    ledger.post(order("o1", "1.00"))
    ledger.post(order("o2", "2.00", occurred_at=NOON - timedelta(days=11)))
    ledger.post(refund("r2", order_id="o2"))
    assert postings_of(ledger) == [
        ("earn", 10, {"03-20": 10}),
        ("earn", 20, {"03-09": 20}),
        ("expire", -20, {"03-09": 20}),
        ("refund", 0, {}),
    ]
