"""Debits of redemptions in the fold: taken once, refused permanently, cancelled once."""

from datetime import UTC, datetime
from typing import Any

import pytest

from libs.contracts.events import RewardRef
from libs.kernel.errors import Conflict, WhaleError
from services.earning.domain.account_status import StatusChange
from services.earning.domain.debits import Cancellation, Debit, DebitRecord, Settlement
from tests.unit.earning.builders import NOON, STORE, Ledger, award, books
from tests.unit.earning.test_programs import program

REWARD = RewardRef("rwd_1", "Free Shipping")


def debit(redemption: str = "rdm_1", points: int = 500, **changes: Any) -> Debit:
    defaults: dict[str, Any] = {
        "store_id": STORE,
        "customer_id": "cust_1",
        "redemption_id": redemption,
        "points": points,
        "reward": REWARD,
        "min_tier": None,
        "occurred_at": NOON,
    }
    return Debit(**(defaults | changes))


def settlement(redemption: str = "rdm_1", customer: str = "cust_1") -> Settlement:
    return Settlement(store_id=STORE, customer_id=customer, redemption_id=redemption)


def cancellation(redemption: str = "rdm_1") -> Cancellation:
    return Cancellation(
        store_id=STORE,
        customer_id="cust_1",
        redemption_id=redemption,
        occurred_at=datetime(2026, 3, 11, tzinfo=UTC),
    )


def ledger_with(points: int = 1_000) -> Ledger:
    ledger = books()
    ledger.post(award(points))
    return ledger


def record(ledger: Ledger, posting: Debit | Settlement | Cancellation) -> DebitRecord:
    outcome = ledger.post(posting)
    assert isinstance(outcome, DebitRecord)
    return outcome


def test_a_debit_takes_the_price_and_leaves_the_lifetime() -> None:
    ledger = ledger_with()
    entry = record(ledger, debit()).entry
    assert entry is not None
    assert (entry.type, entry.points, entry.balance_after, entry.lifetime_after) == (
        *("redeem", -500, 500, 1_000),
    )
    assert (entry.reason, entry.reward, entry.redemption_id) == ("Free Shipping", REWARD, "rdm_1")


def test_a_duplicate_debit_takes_nothing() -> None:
    ledger = ledger_with()
    assert record(ledger, debit()) is record(ledger, debit())
    assert len(ledger.entries) == 2


def test_a_redemption_settled_before_its_debit_never_takes_points() -> None:
    ledger = ledger_with()
    assert record(ledger, settlement()).state == "refused"
    assert record(ledger, debit()).entry is None
    assert len(ledger.entries) == 1


def test_settling_a_debited_redemption_changes_nothing() -> None:
    ledger = ledger_with()
    debited = record(ledger, debit())
    assert record(ledger, settlement()) is debited
    assert debited.state == "debited"


def test_a_refused_redemption_stays_refused_when_the_customer_earns_enough() -> None:
    ledger = ledger_with(499)
    with pytest.raises(WhaleError):
        ledger.post(debit())
    ledger.post(award(10_000))
    assert record(ledger, debit()).state == "refused"
    assert [entry.type for entry in ledger.entries] == ["earn", "earn"]


def test_a_refused_redemption_is_refused_again_for_the_current_reason() -> None:
    """A retry gets the reason of the refusal, as the first request did."""
    ledger = ledger_with(499)
    for _ in range(3):
        with pytest.raises(WhaleError) as refused:
            ledger.post(debit())
        assert refused.value.code == "insufficient_points"
    assert ledger.post(settlement()) == ledger.recorded(DebitRecord, "rdm_1")


def test_settling_for_an_unknown_customer_refuses_and_creates_no_customer() -> None:
    ledger = ledger_with()
    refused = record(ledger, settlement("rdm_2", "unknown"))
    assert (refused.state, refused.account) == ("refused", None)
    assert (STORE, "unknown") not in ledger.accounts_to_write


def test_a_cancellation_returns_the_points_once() -> None:
    ledger = ledger_with()
    record(ledger, debit())
    for _ in range(3):
        assert record(ledger, cancellation()).state == "cancelled"
    assert [entry.points for entry in ledger.entries] == [1_000, -500, 500]
    last = ledger.entries[-1]
    assert (last.type, last.lifetime_after, last.reason) == ("cancel", 1_000, "Free Shipping")
    assert record(ledger, debit()).entry is ledger.entries[1]


def test_a_suspended_account_gets_its_points_back() -> None:
    ledger = ledger_with()
    record(ledger, debit())
    ledger.post(
        StatusChange(
            store_id=STORE, customer_id="cust_1", suspended=True, note=None, changed_by="test"
        )
    )
    assert record(ledger, cancellation()).state == "cancelled"


@pytest.mark.parametrize("before", ["nothing", "a refusal"])
def test_a_redemption_without_a_debit_cannot_be_cancelled(before: str) -> None:
    ledger = ledger_with()
    if before == "a refusal":
        ledger.post(settlement())
    with pytest.raises(Conflict):
        ledger.post(cancellation())


REFUSALS = [
    pytest.param({"customer_id": "unknown"}, {}, "insufficient_points", id="an unknown customer"),
    pytest.param(
        {"customer_id": "unknown", "min_tier": "Bronze"},
        {},
        "reward_unavailable",
        id="an unknown customer holds no tier",
    ),
    pytest.param(
        {"customer_id": "unknown"},
        {"is_active": False},
        "program_inactive",
        id="an unknown customer without a program",
    ),
    pytest.param({}, {"is_active": False}, "program_inactive", id="no active program"),
    pytest.param({"min_tier": "Silver"}, {}, "reward_unavailable", id="a tier not reached"),
    pytest.param({"min_tier": "Diamond"}, {}, "reward_unavailable", id="an unknown tier"),
    pytest.param({"points": 1_001}, {}, "insufficient_points", id="one point missing"),
    pytest.param(
        {"min_tier": "Silver", "points": 2_000}, {}, "reward_unavailable", id="the tier comes first"
    ),
]


@pytest.mark.parametrize(("changes", "in_force", "code"), REFUSALS)
def test_a_refusal_has_its_code_and_takes_nothing(
    changes: dict[str, Any], in_force: dict[str, Any], code: str
) -> None:
    ledger = ledger_with()
    if in_force:
        ledger.use_programs({STORE: type(ledger.programs(STORE))((program(**in_force),))})
    with pytest.raises(WhaleError) as refused:
        ledger.post(debit(**changes))
    assert refused.value.code == code
    assert len(ledger.entries) == 1
    assert (STORE, "unknown") not in ledger.accounts_to_write


def test_the_last_point_can_be_spent_and_the_lowest_tier_is_enough() -> None:
    ledger = ledger_with(5_000)
    entry = record(ledger, debit(points=5_000, min_tier="Silver")).entry
    assert entry is not None
    assert entry.balance_after == 0
