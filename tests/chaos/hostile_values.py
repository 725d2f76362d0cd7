"""Spoiled fields of each topic's event; `hostile.KINDS` is about the records around them."""

import json
from collections.abc import Sequence
from typing import Any, Final

from msgspec.structs import replace

from libs.contracts.topics import (
    ANOMALY_RESOLVED,
    CATALOG_REWARD,
    ORDER_COMPLETED,
    ORDER_FULFILLED,
    ORDER_REFUNDED,
    POINTS_ADJUSTED,
    POINTS_EARNED,
    POINTS_REDEEMED,
)
from tests.chaos.hostile import INVALID, MALFORMED, REFUSED, Hostile, Letters, Maker


class Written(str):
    """JSON text to insert as it is, such as exponents and NaN, which no encoder writes."""

    __slots__ = ()


_LONG: Final = "".join(chr(0x4E00 + n * 7919 % 20_000) for n in range(5_000))
_MISSING: Final = object()

# A field, its spoiled value, the codes allowed, and which services have to write a letter.
Case = tuple[str, Any, frozenset[str], Letters]


def _cases(
    fields: str, values: Sequence[Any], codes: frozenset[str], letters: Letters = "each"
) -> list[Case]:
    return [(field, value, codes, letters) for field in fields.split() for value in values]


_NO_TEXT: Final = [True, [], {}, ["x"]]
_NO_NUMBER: Final = ["1", True, 1.5, [], None, _MISSING]
_MOMENTS: Final = ["x", "", "2026-03-10", "2026-03-10T12:00:00", "9999-12-31T23:59:59-23:59"]
_NO_MONEY: Final = (
    *("much", "", "NaN", "Infinity", "1_000", "٥٠", "５０", " 5.00 ", "5.00\n", "\x00"),
    *("+5", "5.", "5e1", ".5", "0x10", "5,00", "5.00 USD"),
)
_EXPONENTS: Final = [
    "0e2147483647",
    "0E+999999999999999999",
    "1e400",
    "1E999999999",
    "1e2147483648",
]

_STORE: Final = [
    *_cases("store_id", ["st ore", "x\x00", "x" * 65, _LONG, "a:b", "é"], INVALID),
    *_cases("store_id", _NO_TEXT, MALFORMED),
    ("store_id", "", REFUSED, "each"),
]
_CUSTOMER: Final = [
    *_cases("customer_id", ["a b", "c" * 129, "a\x00", "a\x1fb", "..", _LONG], INVALID),
    *_cases("customer_id", _NO_TEXT, MALFORMED),
]
_GUESTS: Final = _cases("customer_id", [None, "", 0, _MISSING], MALFORMED, "none")


def _money(field: str) -> list[Case]:
    return [
        *_cases(field, [Written(number) for number in _EXPONENTS], INVALID),
        *_cases(field, [-1, "-1", "-0.01", "1000000000000.01", "0.0000001"], INVALID),
        *_cases(field, [*_EXPONENTS, *_NO_MONEY], REFUSED),
        *_cases(field, [True, [], {}, Written("NaN"), Written("1e"), Written("01")], MALFORMED),
    ]


_ORDER: Final = [
    *_STORE,
    *_CUSTOMER,
    *_GUESTS,
    *_money("total"),
    *_cases("total currency completed_at order_id", [None, _MISSING], MALFORMED),
    *_cases("order_id", ["a\x00b", "a\x1fb", "x" * 129, _LONG], INVALID),
    *_cases("order_id", _NO_TEXT, MALFORMED),
    *_cases("currency", ["US", "USDX", "U\x00D", "€€€"], INVALID),
    *_cases("currency", [5, [], True], MALFORMED),
    *_cases("completed_at", [*_MOMENTS, "0001-01-01T00:00:00+23:59"], REFUSED),
    *_cases("completed_at", ["1970-01-01T00:00:00Z", "2190-01-01T00:00:00Z"], INVALID),
    *_cases("program_id order_number", ["a\x00b"], INVALID),
    *_cases("program_id order_number", [[], {}, True], MALFORMED),
]
_REFUND: Final = [
    *_STORE,
    *_CUSTOMER,
    *_GUESTS,
    *_money("amount"),
    *_cases("refunded_at order_id refund_id", [None, _MISSING], MALFORMED),
    *_cases("order_id refund_id", ["a\x00b", "x" * 129, _LONG], INVALID),
    *_cases("order_id refund_id", _NO_TEXT, MALFORMED),
    *_cases("refunded_at", [*_MOMENTS, "0001-01-01T00:00:00+23:59"], REFUSED),
]
_FULFILLMENT: Final = [
    *_STORE,
    *_CUSTOMER,
    *_GUESTS,
    *_cases("fulfilled_at order_id", [None, _MISSING], MALFORMED),
    *_cases("order_id", ["a\x00b", "x" * 129, _LONG], INVALID),
    *_cases("order_id", _NO_TEXT, MALFORMED),
    *_cases("fulfilled_at", [*_MOMENTS, "0001-01-01T00:00:00+23:59"], REFUSED),
]
_POSTED: Final = [
    *_cases("store_id customer_id transaction_id", ["x\x00", "x" * 129, _LONG], REFUSED, "some"),
    *_cases("store_id customer_id transaction_id", [*_NO_TEXT, None, _MISSING], MALFORMED),
    *_cases("points", [Written("1e400"), *_NO_NUMBER], MALFORMED),
    *_cases("points", [2**63, -(2**63) - 1, 10**400], REFUSED, "any"),
    *_cases("sequence", _NO_NUMBER, MALFORMED),
    *_cases("sequence balance_after lifetime_after", [-1, 2**63, 10**400], REFUSED, "any"),
    *_cases("reason tier program_id order_id redemption_id", ["a\x00b", _LONG], REFUSED, "any"),
    *_cases("type", ["transfer", "", "x\x00"], REFUSED, "any"),
    *_cases("created_at", ["x", "", "x\x00"], REFUSED, "any"),
]
_EARNED: Final = [
    *_POSTED,
    *_cases("transaction_id", ["x", "txn_x"], REFUSED, "some"),
    *_cases("occurred_at", [*_MOMENTS, "x\x00"], REFUSED, "some"),
    *_cases("points", [2**63, 10**400], REFUSED, "some"),
]
_SPENT: Final = [
    *_POSTED,
    *_cases("reward", ["x", [], 5, {"id": 5, "name": "x"}, {"id": "x"}], MALFORMED),
    *_cases("reward", [{"id": "a\x00", "name": "x"}, {"id": _LONG, "name": "x"}], REFUSED, "some"),
    *_cases("redemption_id", ["a\x00", "x", "rdm_x", "rdm_" + _LONG], REFUSED, "any"),
    *_cases("occurred_at", [*_MOMENTS, "x\x00"], REFUSED, "any"),
]
_REWARD: Final = [
    *_cases("store_id id", ["x\x00", "x" * 5_000, _LONG, *_NO_TEXT, None, _MISSING], REFUSED),
    *_cases("name min_tier", ["x\x00", *_NO_TEXT], REFUSED),
    *_cases("points_cost version", [2**63, 10**400, *_NO_NUMBER], REFUSED),
    *_cases("points_cost stock per_customer_limit", [-5, 2**63], REFUSED),
    *_cases("created_at", [*_MOMENTS, "x\x00", None, _MISSING], REFUSED),
    *_cases("starts_at ends_at", [*_MOMENTS[:1], *_MOMENTS[2:], "x\x00"], REFUSED),
    *_cases("metadata value", [[], "x", 5], MALFORMED),
    *_cases("deleted is_active", ["yes", 1, [], None], MALFORMED),
    *_cases("version", [0, -1], REFUSED, "any"),
    *_cases("type description image_url", ["x\x00", _LONG], REFUSED, "any"),
]
_RESOLVED: Final = [
    *_cases("store_id id customer_id", ["x\x00", "x" * 5_000, _LONG], REFUSED),
    *_cases("store_id id customer_id", [*_NO_TEXT, None, _MISSING], MALFORMED),
    *_cases("transaction_ids", ["x", {}, 5, [5], None, _MISSING], MALFORMED),
    *_cases("resolution status", [5, [], True], MALFORMED),
    *_cases("resolution status", ["burned", "x\x00"], REFUSED, "any"),
    *_cases("note reviewed_by resolved_at", ["x\x00", _LONG], REFUSED, "any"),
    *_cases("points_involved version", [2**63, -1], REFUSED, "any"),
]

CASES: Final[dict[str, list[Case]]] = {
    ORDER_COMPLETED: _ORDER,
    ORDER_REFUNDED: _REFUND,
    ORDER_FULFILLED: _FULFILLMENT,
    POINTS_EARNED: _EARNED,
    POINTS_REDEEMED: _SPENT,
    POINTS_ADJUSTED: _SPENT,
    CATALOG_REWARD: _REWARD,
    ANOMALY_RESOLVED: _RESOLVED,
}


def spoiled(maker: Maker) -> Hostile:
    """An event with one spoiled field. An event that a service may apply belongs to another store, so
    that nothing is ever applied for the maker's."""
    field, value, codes, letters = maker.choose.choice(CASES[maker.topic.name])
    if letters in {"some", "any"}:
        maker = replace(maker, store_id=f"a{maker.store_id}")
    return Hostile(
        kind=f"{field} of {str(value)[:40]!r}",
        record=maker.record(spoil(maker, field, value)),
        codes=codes,
        letters=letters,
    )


def spoil(maker: Maker, field: str, value: Any) -> bytes:
    """The event with that value in the field, or without the field."""
    if value is _MISSING:
        event = maker.event()
        event.pop(field, None)
        return json.dumps(event).encode()
    if isinstance(value, Written):
        written = maker.value(**{field: "written"}).decode()
        return written.replace('"written"', value).encode()
    return maker.value(**{field: value})
