"""The texts of a request's faults: what must be sent, where, and the name that was probably meant."""

from datetime import datetime
from typing import Any, get_args

import pytest
from msgspec import Raw

from libs.contracts.anomalies import AnomalyPatch, AnomalySettings
from libs.contracts.api import CustomerPatch, EarnRequest, Request
from libs.contracts.events import TransactionType
from libs.contracts.intake import EventEnvelope
from libs.contracts.program_api import ProgramCreate, ProgramPatch
from libs.contracts.rewards import RewardPatch
from libs.kernel.errors import Fault, InvalidRequest
from libs.kernel.wording import MAX_SUGGESTIONS, not_json, unknown_name, wrong_value
from libs.web.body import Faults, Query, decode

KINDS = "must be one of: discount, shipping, credit, perk"


class Nested(Request, frozen=True, kw_only=True, rename={"in_": "in"}):
    """Choices inside a list, a dict and a renamed field."""

    in_: dict[str, list[RewardPatch]] | None = None


def faults_of(body: str, kind: Any, *, at: str = "#") -> list[Fault]:
    with pytest.raises(InvalidRequest) as caught:
        decode(body.encode(), kind, at=at)
    return caught.value.errors


@pytest.mark.parametrize(
    ("kind", "body", "pointer", "detail"),
    [
        pytest.param(RewardPatch, '{"type": "gift"}', "#/type", KINDS, id="an unknown choice"),
        pytest.param(RewardPatch, '{"type": 5}', "#/type", KINDS, id="a number for a choice"),
        pytest.param(RewardPatch, '{"type": null}', "#/type", KINDS, id="null for a choice"),
        pytest.param(
            CustomerPatch,
            '{"status": "closed"}',
            "#/status",
            "must be one of: active, suspended",
            id="a status",
        ),
        pytest.param(
            AnomalyPatch,
            '{"status": "resolved", "resolution": "forgiven"}',
            "#/resolution",
            "must be one of: approved, voided, suspended",
            id="a choice that may be null",
        ),
        pytest.param(
            AnomalySettings,
            '{"deviation": {"mode": "on"}}',
            "#/deviation/mode",
            "must be one of: off, shadow, review",
            id="a choice inside an object",
        ),
        pytest.param(
            Nested, '{"in": {"a": [{}, {"type": ""}]}}', "#/in/a/1/type", KINDS, id="deep inside"
        ),
        pytest.param(
            EventEnvelope, '{"specversion": "2"}', "#/specversion", "must be 1.0", id="one choice"
        ),
    ],
)
def test_an_unknown_choice_gets_a_list_of_all_choices(
    kind: Any, body: str, pointer: str, detail: str
) -> None:
    assert Fault(pointer=pointer, detail=detail) in faults_of(body, kind)


@pytest.mark.parametrize(
    ("kind", "body", "pointer", "detail"),
    [
        pytest.param(
            EarnRequest,
            '{"customer_id": "c", "points": "5"}',
            "#/points",
            "must be a whole number, not a string",
            id="text for a number",
        ),
        pytest.param(
            EarnRequest,
            '{"customer_id": "c", "points": 5.5}',
            "#/points",
            "must be a whole number, not a number with decimals or too many digits",
            id="half a point",
        ),
        pytest.param(
            EarnRequest,
            '{"customer_id": 5}',
            "#/customer_id",
            "must be a string, not a whole number",
            id="a number for text",
        ),
        pytest.param(EarnRequest, "[]", "#", "must be an object, not an array", id="a list"),
        pytest.param(EarnRequest, "null", "#", "must be an object, not null", id="null"),
        pytest.param(list[Raw], "{}", "#", "must be an array, not an object", id="an object"),
        pytest.param(
            ProgramPatch,
            '{"is_active": "yes"}',
            "#/is_active",
            "must be true or false, not a string",
            id="text for a switch",
        ),
        pytest.param(
            ProgramPatch,
            '{"tiers": 3}',
            "#/tiers",
            "must be an array or null, not a whole number",
            id="a number for a list or null",
        ),
        pytest.param(
            ProgramCreate,
            '{"name": "x", "points_per_dollar": "many"}',
            "#/points_per_dollar",
            "must be a number, or a string of digits with at most six decimal places",
            id="words for a decimal",
        ),
        pytest.param(
            ProgramPatch,
            '{"points_per_dollar": true}',
            "#/points_per_dollar",
            "must be a number, not true or false",
            id="a switch for a decimal",
        ),
    ],
)
def test_a_wrong_type_is_described_in_words(
    kind: Any, body: str, pointer: str, detail: str
) -> None:
    assert Fault(pointer=pointer, detail=detail) in faults_of(body, kind)


def test_a_pointer_starts_at_the_root_of_the_body() -> None:
    (fault,) = faults_of('{"type": "gift"}', RewardPatch, at="#/items/3")
    assert fault.pointer == "#/items/3/type"


def test_an_unknown_choice_of_a_parameter_gets_the_same_text() -> None:
    faults = Faults()
    query = Query({"type": ["gift"]}, faults, known=frozenset({"type"}))
    query.one_of("type", get_args(TransactionType))
    assert faults.all[0].detail.startswith("must be one of: earn, redeem, ")


def test_an_unknown_event_type_gets_the_same_text() -> None:
    event = '{"specversion": "1.0", "id": "1", "source": "/", "type": "order.shipped"}'
    detail = "must be one of: order.completed, order.refunded, order.fulfilled"
    assert Fault(pointer="#/type", detail=detail) in faults_of(event, EventEnvelope)


@pytest.mark.parametrize(
    ("name", "suggestion"),
    [
        pytest.param("customerId", "customer_id", id="camel case"),
        pytest.param("Customer-ID", "customer_id", id="a hyphen"),
        pytest.param("custmer_id", "customer_id", id="a letter missing"),
        pytest.param("point", "points", id="singular"),
        pytest.param("color", None, id="nothing like it"),
        pytest.param("", None, id="an empty name"),
        pytest.param("customer_id" * 1_000, None, id="a long name"),
    ],
)
def test_an_unknown_name_gets_the_most_similar_name(name: str, suggestion: str | None) -> None:
    expected = "is an unknown field" + (f"; did you mean `{suggestion}`?" if suggestion else "")
    assert unknown_name("field", name, ["customer_id", "points", "reason"]) == expected


def test_an_unknown_parameter_gets_the_same_text() -> None:
    faults = Faults()
    Query({"limits": ["5"]}, faults, known=frozenset({"limit"}))
    assert faults.all == [
        Fault(parameter="limits", detail="is an unknown parameter; did you mean `limit`?")
    ]


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        pytest.param(b"", "is empty", id="nothing"),
        pytest.param(b" \n", "is empty", id="blanks"),
        pytest.param(
            b'{"a": 1, 5}',
            "is not valid JSON: object keys must be strings (line 1, column 10)",
            id="one line",
        ),
        pytest.param(
            b'{\n  "a": 1,\n  b: 2}',
            "is not valid JSON: object keys must be strings (line 3, column 3)",
            id="three lines",
        ),
        pytest.param(
            '{"\u00e9\u00e9": NaN}'.encode(),
            "is not valid JSON: invalid character (line 1, column 8)",
            id="columns are characters, not bytes",
        ),
        pytest.param(b'{"a": ', "is not valid JSON: it ends before it is complete", id="truncated"),
    ],
)
def test_a_body_that_is_not_json_gets_the_line_and_column(body: bytes, detail: str) -> None:
    assert faults_of_bytes(body) == [Fault(pointer="#", detail=detail)]


def faults_of_bytes(body: bytes) -> list[Fault]:
    with pytest.raises(InvalidRequest) as caught:
        decode(body, dict[str, Raw])
    return caught.value.errors


def test_a_body_of_unknown_fields_gets_few_suggestions() -> None:
    fields = ", ".join(f'"customer{n}": 1' for n in range(4_000))
    faults = faults_of(f"{{{fields}}}", EarnRequest)
    unknown = [fault.detail for fault in faults if fault.detail.startswith("is an unknown field")]
    assert len(unknown) == 4_000
    assert sum("did you mean" in detail for detail in unknown) == MAX_SUGGESTIONS


def test_an_unknown_text_of_the_decoder_is_kept() -> None:
    assert wrong_value("Expected `str` matching regex", str) == "Expected `str` matching regex"
    assert not_json(b"{", "Some new message") == "is not valid JSON: Some new message"


@pytest.mark.parametrize(
    ("value", "detail"),
    [
        ('"2026-03-10"', "must be an RFC 3339 time, as in 2026-03-10T12:00:00Z"),
        ("5", "must be a time, not a whole number"),
    ],
)
def test_an_invalid_time_gets_an_example(value: str, detail: str) -> None:
    (fault,) = faults_of(f"[{value}]", list[datetime])
    assert fault == Fault(pointer="#/0", detail=detail)


@pytest.mark.parametrize(
    ("pointers", "summary"),
    [
        (["#/a"], "#/a: is required."),
        (["#/a", "#/b"], "#/a: is required; #/b: is required."),
        (
            ["#/a", "#/b", "#/c", "#/d", "#/e"],
            "#/a: is required; #/b: is required; #/c: is required; and 2 more in `errors`.",
        ),
        (["#"], "The body is required."),
    ],
)
def test_the_detail_summarizes_the_faults(pointers: list[str], summary: str) -> None:
    faults = Faults()
    for pointer in pointers:
        faults.at(pointer, "is required")
    with pytest.raises(InvalidRequest) as caught:
        faults.raise_if_any()
    assert caught.value.detail == summary
