"""A skipped order that is checked again is posted as if it had just arrived."""

from typing import Any

import pytest

from libs.kernel.errors import Conflict, NotFound
from services.earning.domain.account_status import StatusChange
from services.earning.domain.order_records import OrderRecord, Recheck
from services.earning.domain.programs import StorePrograms
from services.earning.domain.refunds import Refund, RefundRecord
from tests.unit.earning.builders import NOON, STORE, Ledger, award, books, order
from tests.unit.earning.test_programs import program


def skipped(*, currency: str = "EUR", program_id: str | None = None) -> Ledger:
    """Books with one skipped order, `o1`, of a customer with 5,000 points."""
    ledger = books()
    ledger.post(award(5_000))
    ledger.post(order("o1", currency=currency, program_id=program_id))
    return ledger


def recheck(ledger: Ledger, *, order_id: str = "o1", customer_id: str = "cust_1") -> OrderRecord:
    outcome = ledger.post(Recheck(store_id=STORE, customer_id=customer_id, order_id=order_id))
    assert isinstance(outcome, OrderRecord)
    return outcome


def use(ledger: Ledger, **changes: Any) -> None:
    """Change the program in force."""
    ledger.use_programs({STORE: StorePrograms((program(**changes),))})


def test_it_counts_once_at_the_tier_held_now() -> None:
    ledger = skipped()
    use(ledger, currency="EUR")
    for _ in range(2):
        record = recheck(ledger)
        assert (record.state, record.award) == ("counted", 750)
    assert [entry.points for entry in ledger.entries] == [5_000, 750]


def test_the_refund_that_waits_for_it_counts_with_it() -> None:
    ledger = skipped()
    refund = Refund(
        store_id=STORE,
        customer_id="cust_1",
        order_id="o1",
        refund_id="r1",
        amount=None,
        occurred_at=NOON,
    )
    waiting = ledger.post(refund)
    assert isinstance(waiting, RefundRecord)
    use(ledger, currency="EUR")
    recheck(ledger)
    assert waiting.state == "counted"
    assert [entry.points for entry in ledger.entries] == [5_000, 750, -750]


def test_one_that_is_skipped_for_the_same_reason_is_not_written_again() -> None:
    ledger = skipped()
    ledger.changed(OrderRecord).clear()
    assert recheck(ledger).skip_reason == "other_currency"
    assert ledger.changed(OrderRecord) == {}


def test_one_that_is_skipped_for_another_reason_says_so() -> None:
    ledger = skipped()
    use(ledger, is_active=False)
    assert recheck(ledger).skip_reason == "program_inactive"
    assert ledger.changed(OrderRecord)[STORE, "o1"].skip_reason == "program_inactive"


def test_one_that_is_worth_too_much_is_skipped_as_not_postable() -> None:
    ledger = books()
    ledger.post(order("o1", "1000000000000", currency="EUR"))
    use(ledger, currency="EUR")
    first = recheck(ledger)
    assert (first.state, first.skip_reason) == ("skipped", "not_postable")
    assert recheck(ledger) is first


def test_one_of_a_suspended_account_is_held() -> None:
    ledger = skipped()
    use(ledger, currency="EUR")
    ledger.post(
        StatusChange(
            store_id=STORE, customer_id="cust_1", suspended=True, note=None, changed_by="test"
        )
    )
    assert recheck(ledger).state == "held"
    assert recheck(ledger).state == "held"


def test_an_unknown_order_and_another_customers_are_refused() -> None:
    ledger = skipped()
    with pytest.raises(NotFound):
        recheck(ledger, order_id="o2")
    with pytest.raises(Conflict):
        recheck(ledger, customer_id="cust_2")


@pytest.mark.parametrize(
    ("reason", "program_id", "detail"),
    [
        ("other_currency", None, "The order is in EUR, the program in USD."),
        (
            "unknown_program",
            "loy_x",
            "The order names the program loy_x, which this store does not have.",
        ),
        ("program_inactive", "loy_x", "The order names the program loy_x, which was not active."),
        ("program_inactive", None, None),
        ("no_program", None, None),
    ],
)
def test_the_detail_names_what_does_not_fit(
    reason: str, program_id: str | None, detail: str | None
) -> None:
    programs = StorePrograms((program(),))
    assert programs.describe_skip(reason, program_id, "EUR") == detail  # type: ignore[arg-type]
