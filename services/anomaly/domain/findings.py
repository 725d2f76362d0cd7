"""Findings: what a detector reports of a customer's earnings."""

from decimal import Decimal
from typing import Any

from msgspec import Struct

from libs.contracts.anomalies import AnomalyType
from services.anomaly.domain.earnings import Earning


class Finding(Struct, frozen=True, kw_only=True):
    """Suspicious earnings of one customer, by position; `evidence` holds the numbers that decided."""

    type: AnomalyType
    earnings: tuple[Earning, ...]
    description: str
    evidence: dict[str, Any]

    @property
    def points(self) -> int:
        return sum(earning.points for earning in self.earnings)


def as_number(value: Decimal) -> int | float:
    """A decimal as evidence shows it, with at most two decimals."""
    return int(value) if value == value.to_integral_value() else round(float(value), 2)
