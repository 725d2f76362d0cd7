"""Debits for rewards in the fold: judged in order, taken once, given up for ever, given back once."""

from datetime import UTC, datetime
from typing import Any

import pytest

from libs.contracts.events import RewardRef
from libs.kernel.errors import Conflict, WhaleError
from services.earning.domain.postings import (
    Cancellation,
    Debit,
    DebitRecord,
    Settlement,
    StatusChange,
)
from tests.unit.earning.builders import NOON, STORE, Ledger, award, books
from tests.unit.earning.test_programs import program

REWARD = RewardRef("rwd_1", "Free Shipping")


def debit(redemption: str = "rdm_1", points: int = 500, **changes: Any) -> Debit:
    plain: dict[str, Any] = {
        "store_id": STORE,
        "customer_id": "cust_1",
        "redemption_id": redemption,
        "points": points,
        "reward": REWARD,
        "min_tier": None,
        "occurred_at": NOON,
    }
    return Debit(**(plain | changes))


def settlement(redemption: str = "rdm_1", customer: str = "cust_1") -> Settlement:
    return Settlement(store_id=STORE, customer_id=customer, redemption_id=redemption)


def cancellation(redemption: str = "rdm_1") -> Cancellation:
    return Cancellation(
        store_id=STORE,
        customer_id="cust_1",
        redemption_id=redemption,
        occurred_at=datetime(2026, 3, 11, tzinfo=UTC),
    )


def rich(points: int = 1_000) -> Ledger:
    ledger = books()
    ledger.post(award(points))
    return ledger


def record(ledger: Ledger, posting: Debit | Settlement | Cancellation) -> DebitRecord:
    outcome = ledger.post(posting)
    assert isinstance(outcome, DebitRecord)
    return outcome


def test_a_debit_takes_the_price_and_leaves_the_lifetime() -> None:
    ledger = rich()
    entry = record(ledger, debit()).entry
    assert entry is not None
    assert (entry.type, entry.points, entry.balance_after, entry.lifetime_after) == (
        *("redeem", -500, 500, 1_000),
    )
    assert (entry.reason, entry.reward, entry.redemption_id) == ("Free Shipping", REWARD, "rdm_1")


def test_the_same_debit_again_takes_nothing_more() -> None:
    ledger = rich()
    assert record(ledger, debit()) is record(ledger, debit())
    assert len(ledger.entries) == 2


def test_one_that_was_settled_first_never_takes_points() -> None:
    ledger = rich()
    assert record(ledger, settlement()).state == "refused"
    assert record(ledger, debit()).entry is None
    assert len(ledger.entries) == 1


def test_one_that_was_debited_stays_so_when_it_is_settled() -> None:
    ledger = rich()
    taken = record(ledger, debit())
    assert record(ledger, settlement()) is taken
    assert taken.state == "debited"


def test_one_that_was_refused_stays_so_however_rich_the_customer_becomes() -> None:
    ledger = rich(499)
    with pytest.raises(WhaleError):
        ledger.post(debit())
    ledger.post(award(10_000))
    assert record(ledger, debit()).state == "refused"
    assert [entry.type for entry in ledger.entries] == ["earn", "earn"]


def test_one_that_was_refused_is_refused_again_for_what_is_wrong_now() -> None:
    """A retry of a redemption that was refused is told why, as the first request was."""
    ledger = rich(499)
    for _ in range(3):
        with pytest.raises(WhaleError) as refused:
            ledger.post(debit())
        assert refused.value.code == "insufficient_points"
    assert ledger.post(settlement()) == ledger.known.debits["rdm_1"]


def test_one_of_an_unknown_customer_is_settled_as_refused_and_creates_nobody() -> None:
    ledger = rich()
    refused = record(ledger, settlement("rdm_2", "nobody"))
    assert (refused.state, refused.account) == ("refused", None)
    assert (STORE, "nobody") not in ledger.touched


def test_a_cancellation_gives_the_price_back_once() -> None:
    ledger = rich()
    record(ledger, debit())
    for _ in range(3):
        assert record(ledger, cancellation()).state == "cancelled"
    assert [entry.points for entry in ledger.entries] == [1_000, -500, 500]
    last = ledger.entries[-1]
    assert (last.type, last.lifetime_after, last.reason) == ("cancel", 1_000, "Free Shipping")
    assert record(ledger, debit()).entry is ledger.entries[1]


def test_a_cancellation_goes_on_while_the_account_is_suspended() -> None:
    ledger = rich()
    record(ledger, debit())
    ledger.post(
        StatusChange(
            store_id=STORE, customer_id="cust_1", suspended=True, note=None, changed_by="test"
        )
    )
    assert record(ledger, cancellation()).state == "cancelled"


@pytest.mark.parametrize("before", ["nothing", "a refusal"])
def test_what_was_never_debited_cannot_be_cancelled(before: str) -> None:
    ledger = rich()
    if before == "a refusal":
        ledger.post(settlement())
    with pytest.raises(Conflict):
        ledger.post(cancellation())


REFUSALS = [
    pytest.param({"customer_id": "nobody"}, {}, "not_found", id="an unknown customer"),
    pytest.param({}, {"is_active": False}, "program_inactive", id="no active programme"),
    pytest.param({"min_tier": "Silver"}, {}, "reward_unavailable", id="a tier not reached"),
    pytest.param({"min_tier": "Diamond"}, {}, "reward_unavailable", id="a tier nobody has"),
    pytest.param({"points": 1_001}, {}, "insufficient_points", id="a point too few"),
    pytest.param(
        {"min_tier": "Silver", "points": 2_000}, {}, "reward_unavailable", id="the tier comes first"
    ),
]


@pytest.mark.parametrize(("asked", "in_force", "code"), REFUSALS)
def test_a_refusal_says_why_and_takes_nothing(
    asked: dict[str, Any], in_force: dict[str, Any], code: str
) -> None:
    ledger = rich()
    if in_force:
        ledger.known.programs = {STORE: type(ledger.programs(STORE))((program(**in_force),))}
    with pytest.raises(WhaleError) as refused:
        ledger.post(debit(**asked))
    assert refused.value.code == code
    assert len(ledger.entries) == 1


def test_the_last_point_can_be_spent_and_the_lowest_tier_is_enough() -> None:
    ledger = rich(5_000)
    entry = record(ledger, debit(points=5_000, min_tier="Silver")).entry
    assert entry is not None
    assert entry.balance_after == 0
