"""Amounts and rates are decoded exactly, and only in the formats that the schemas allow."""

import json
from decimal import Decimal

import msgspec
import pytest
from msgspec import UNSET, Struct, UnsetType

from libs.contracts.numbers import Exact, Money, decoder, is_amount


class Priced(Struct):
    amount: Money | None = None
    rate: Exact | UnsetType | None = UNSET


def amount_of(text: str) -> Decimal:
    amount = decoder(Priced).decode(f'{{"amount": {text}}}'.encode()).amount
    assert amount is not None
    return amount


@pytest.mark.parametrize(
    ("text", "expected"),
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
def test_an_amount_is_decoded_exactly(text: str, expected: str) -> None:
    amount = amount_of(text)
    assert amount == Decimal(expected)
    assert type(amount) is Decimal
    assert is_amount(amount)


STRINGS = ("1_000", "٥٠", "５０", " 50.00 ", "50.00\n", "50.", ".5", "5e1", "", " ", "NaN", "inf")


@pytest.mark.parametrize(
    "text",
    [*(json.dumps(value, ensure_ascii=False) for value in STRINGS), "true", "[]", "{}", '"0x10"'],
)
def test_a_value_in_another_format_fails_to_decode(text: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=r"\$\.amount"):
        amount_of(text)


@pytest.mark.parametrize(
    "text",
    [
        *('"+50"', '"-50"', '"-0"', '"0.0000001"', '"50.0000000"', '"1000000000000.01"'),
        *("-0.01", "-0.0000001", "1000000000000.01", "1e13", "1e31", "1e-31", "0e31"),
        *("0e2147483647", "0E+999999999999999999", "1e-999999999999999999", '"0e2147483647"'),
        *('"1e400"', "9" * 1_000, f'"{"9" * 5_000}"', f"0e{'9' * 5_000}", "1e0000000000000000031"),
    ],
)
def test_a_number_in_a_forbidden_format_is_outside_every_bound(text: str) -> None:
    assert not is_amount(amount_of(text))


def test_a_rate_is_not_rounded() -> None:
    decode = decoder(Priced).decode
    assert decode(b'{"rate": 0.30000000000000004}').rate == Decimal("0.30000000000000004")
    assert decode(b'{"rate": "1.5"}').rate == Decimal("1.5")
    assert decode(b'{"rate": null}').rate is None
    assert decode(b"{}").rate is UNSET
    with pytest.raises(msgspec.ValidationError):
        decode(b'{"rate": "1_0"}')
