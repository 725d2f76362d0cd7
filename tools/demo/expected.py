"""What the history must come to, worked out straight from the file and apart from the service.

Nothing of the service's rules is used here: this is the second opinion that the ledger is held to.
"""

from collections.abc import Iterable
from decimal import ROUND_FLOOR, Decimal
from typing import Final

from tools.demo.history import Purchase

RATE: Final = 10
# From so many lifetime points on, a dollar earns so many times the rate. Highest first.
STEPS: Final = (
    (50_000, "Platinum", Decimal("3.0")),
    (15_000, "Gold", Decimal("2.0")),
    (5_000, "Silver", Decimal("1.5")),
    (0, "Bronze", Decimal("1.0")),
)


def balances(purchases: Iterable[Purchase]) -> dict[str, int]:
    """The points of each customer after all of `purchases`, taken in the order of time."""
    points: dict[str, int] = {}
    for purchase in purchases:
        before = points.get(purchase.customer_id, 0)
        points[purchase.customer_id] = before + worth(purchase.dollars, before)
    return points


def worth(dollars: Decimal, before: int) -> int:
    """The points of a purchase by a customer who earned `before` in all until then."""
    factor = next(factor for start, _, factor in STEPS if before >= start)
    return int((dollars * RATE * factor).to_integral_value(ROUND_FLOOR))
