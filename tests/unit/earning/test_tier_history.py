"""The worked sequence of docs/rules/tiers.md, posted row by row."""

from libs.contracts.events import TransactionType
from services.earning.domain.adjustments import Adjustment
from services.earning.domain.postings import Posting
from tests.unit.earning.builders import NOON, STORE, award, books, order
from tests.unit.earning.test_refunds import refund
from tests.unit.earning.test_rule_tables import table

TYPES: dict[str, TransactionType] = {
    "award": "earn",
    "order": "earn",
    "adjust": "adjust",
    "refund": "refund",
}


def posting(words: str) -> Posting:
    """`award 4600`, `order o1 50.00`, `adjust -5000` or `refund o1`."""
    what, first, *rest = words.split()
    match what:
        case "award":
            return award(int(first))
        case "order":
            return order(first, rest[0])
        case "refund":
            return refund(f"r-{first}", order_id=first)
        case _:
            return Adjustment(
                store_id=STORE,
                customer_id="cust_1",
                points=int(first),
                reason="Correction",
                occurred_at=NOON,
                posted_by="Ana",
            )


def test_each_posting_moves_balance_lifetime_and_tier_as_the_documentation_says() -> None:
    ledger = books()
    for words, points, balance, lifetime, tier in table("tiers.md", first_heading="posting"):
        ledger.post(posting(words))
        entry = ledger.entries[-1]
        assert entry.type == TYPES[words.split()[0]], words
        assert (entry.points, entry.balance_after, entry.lifetime_after, ledger.tiers[-1]) == (
            int(points),
            int(balance),
            int(lifetime),
            tier,
        ), words
