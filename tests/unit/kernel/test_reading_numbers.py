"""How amounts and rates are read: exactly, and only where they are written as the schemas say."""

import json
from decimal import Decimal

import msgspec
import pytest
from msgspec import UNSET, Struct, UnsetType

from libs.contracts.numbers import Exact, Money, decoder, is_amount


class Priced(Struct):
    amount: Money | None = None
    rate: Exact | UnsetType | None = UNSET


def amount_of(written: str) -> Decimal:
    found = decoder(Priced).decode(f'{{"amount": {written}}}'.encode()).amount
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("written", "amount"),
    [
        ('"50.00"', "50.00"),
        ('"0"', "0"),
        ('"0.000001"', "0.000001"),
        ('"0050.5"', "50.5"),
        ("50", "50"),
        ("50.00", "50"),
        ("5e1", "50"),
        ("5E-3", "0.005"),
        ("0e30", "0"),
        ("0.30000000000000004", "0.3"),
        ("48.380000000000003", "48.38"),
        ("0.0000005", "0"),
        ("0.0000015", "0.000002"),
        ("0.0000025", "0.000002"),
        ("999999999999.123456", "999999999999.123456"),
        ("999999999999.9999994", "999999999999.999999"),
        ("1000000000000", "1000000000000"),
    ],
)
def test_an_amount_is_read_exactly(written: str, amount: str) -> None:
    found = amount_of(written)
    assert found == Decimal(amount)
    assert type(found) is Decimal
    assert is_amount(found)


TEXTS = ("1_000", "٥٠", "５０", " 50.00 ", "50.00\n", "50.", ".5", "5e1", "", " ", "NaN", "inf")


@pytest.mark.parametrize(
    "written",
    [*(json.dumps(text, ensure_ascii=False) for text in TEXTS), "true", "[]", "{}", '"0x10"'],
)
def test_what_is_no_number_is_not_read(written: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=r"\$\.amount"):
        amount_of(written)


@pytest.mark.parametrize(
    "written",
    [
        *('"+50"', '"-50"', '"-0"', '"0.0000001"', '"50.0000000"', '"1000000000000.01"'),
        *("-0.01", "-0.0000001", "1000000000000.01", "1e13", "1e31", "1e-31", "0e31"),
        *("0e2147483647", "0E+999999999999999999", "1e-999999999999999999", '"0e2147483647"'),
        *('"1e400"', "9" * 1_000, f'"{"9" * 5_000}"', f"0e{'9' * 5_000}", "1e0000000000000000031"),
    ],
)
def test_a_number_that_no_bound_takes_is_read_and_refused(written: str) -> None:
    assert not is_amount(amount_of(written))


def test_a_rate_is_not_rounded() -> None:
    read = decoder(Priced).decode
    assert read(b'{"rate": 0.30000000000000004}').rate == Decimal("0.30000000000000004")
    assert read(b'{"rate": "1.5"}').rate == Decimal("1.5")
    assert read(b'{"rate": null}').rate is None
    assert read(b"{}").rate is UNSET
    with pytest.raises(msgspec.ValidationError):
        read(b'{"rate": "1_0"}')
