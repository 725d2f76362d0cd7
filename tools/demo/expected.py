"""The balances that the history must result in, computed from the file and not by the service.

No rule of the service is used here, so that the ledger is compared with an independent result.
"""

from collections.abc import Iterable
from decimal import ROUND_FLOOR, Decimal
from typing import Final

from tools.demo.history import Purchase

RATE: Final = 10
# The tiers of the demo's program, highest first: minimum lifetime points, name, multiplier.
TIERS: Final = (
    (50_000, "Platinum", Decimal("3.0")),
    (15_000, "Gold", Decimal("2.0")),
    (5_000, "Silver", Decimal("1.5")),
    (0, "Bronze", Decimal("1.0")),
)


def balances(purchases: Iterable[Purchase]) -> dict[str, int]:
    """The points of each customer after all `purchases`, which are in chronological order."""
    points: dict[str, int] = {}
    for purchase in purchases:
        lifetime = points.get(purchase.customer_id, 0)
        points[purchase.customer_id] = lifetime + points_for(purchase.dollars, lifetime)
    return points


def points_for(dollars: Decimal, lifetime: int) -> int:
    """The points of a purchase by a customer with `lifetime` points before it."""
    multiplier = next(multiplier for min_points, _, multiplier in TIERS if lifetime >= min_points)
    return int((dollars * RATE * multiplier).to_integral_value(ROUND_FLOOR))
