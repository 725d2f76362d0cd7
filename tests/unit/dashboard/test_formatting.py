"""How numbers and times are written."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from services.dashboard.domain import formatting

NEW_YORK = formatting.zone_of("America/New_York")
NOON = datetime(2026, 3, 10, 18, 22, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (formatting.number(12_500), "12,500"),
        (formatting.number(9_999_999), "9,999,999"),
        (formatting.number(12_412_345), "12.4M"),
        (formatting.exact(12_412_345), "12,412,345"),
        (formatting.signed(500), "+500"),
        (formatting.signed(-500), "−500"),
        (formatting.signed(0), "0"),
        (formatting.at_least(10_000, is_more=True), "10,000+"),
        (formatting.money(Decimal("129.50"), "USD"), "$129.50"),
        (formatting.factor(Decimal("1.5")), "1.5×"),
        (formatting.factor(Decimal(2)), "2.0×"),
        (formatting.moment(NOON, NEW_YORK), "Mar 10, 2026, 2:22 PM"),
        (formatting.relative(NOON, NOON + timedelta(minutes=4), NEW_YORK), "4 minutes ago"),
        (
            formatting.relative(NOON, NOON + timedelta(days=7), NEW_YORK),
            "Mar 10, 2026, 2:22 PM",
        ),
        (formatting.start(NOON, NEW_YORK), "Mar 10, 2026, 2:22 PM"),
        # Midnight in New York, on the days before and after summer time begins.
        (formatting.start(datetime(2026, 3, 7, 5, tzinfo=UTC), NEW_YORK), "Mar 7, 2026"),
        (formatting.start(datetime(2026, 3, 9, 4, tzinfo=UTC), NEW_YORK), "Mar 9, 2026"),
        (formatting.day(NOON.date()), "Mar 10, 2026"),
        (formatting.month(NOON.date()), "Mar 2026"),
        (formatting.yearly_day("02-29"), "Feb 29"),
        (formatting.yearly_day("13-01"), "13-01"),
        (formatting.all_of([30, 7, 1]), "30, 7, and 1"),
        (formatting.any_of(["Jun 30", "Dec 31"]), "Jun 30 or Dec 31"),
    ],
)
def test_values_are_written(text: str, expected: str) -> None:
    assert text == expected


def test_a_zone_that_is_none_is_utc() -> None:
    assert NEW_YORK.key == "America/New_York"
    for name in (None, "", "../../etc/passwd", "Nowhere/City"):
        assert formatting.zone_of(name).key == "UTC"


def test_a_change_has_no_percent_without_an_earlier_figure() -> None:
    assert formatting.percent_change(112, 100) == 12
    assert formatting.percent_change(0, 100) == -100
    assert formatting.percent_change(5, 0) is None
