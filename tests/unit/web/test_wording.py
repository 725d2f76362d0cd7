"""How a value of the wrong type, or none of its choices, is told: in words, with its place."""

from typing import Any, get_args

import pytest
from msgspec import Raw

from libs.contracts.anomalies import AnomalyPatch, AnomalySettings
from libs.contracts.api import CustomerPatch, EarnRequest, ProgramCreate, ProgramPatch, Request
from libs.contracts.events import TransactionType
from libs.contracts.intake import EventEnvelope
from libs.contracts.rewards import RewardPatch
from libs.kernel.errors import Fault, InvalidRequest
from libs.web.body import Faults, Query, decode

KINDS = "must be one of: discount, shipping, credit, perk"


class Nested(Request, frozen=True, kw_only=True, rename={"in_": "in"}):
    """Choices behind a list, a dict and a renamed field."""

    in_: dict[str, list[RewardPatch]] | None = None


def faults_of(body: str, kind: Any, *, at: str = "#") -> list[Fault]:
    with pytest.raises(InvalidRequest) as caught:
        decode(body.encode(), kind, at=at)
    return caught.value.errors


@pytest.mark.parametrize(
    ("kind", "body", "pointer", "told"),
    [
        pytest.param(RewardPatch, '{"type": "gift"}', "#/type", KINDS, id="an unknown choice"),
        pytest.param(RewardPatch, '{"type": 5}', "#/type", KINDS, id="no text for a choice"),
        pytest.param(RewardPatch, '{"type": null}', "#/type", KINDS, id="null for a choice"),
        pytest.param(
            CustomerPatch,
            '{"status": "gone"}',
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
            Nested, '{"in": {"a": [{}, {"type": ""}]}}', "#/in/a/1/type", KINDS, id="far inside"
        ),
        pytest.param(
            EventEnvelope, '{"specversion": "2"}', "#/specversion", "must be 1.0", id="one choice"
        ),
    ],
)
def test_a_faulty_choice_is_told_with_all_there_are(
    kind: Any, body: str, pointer: str, told: str
) -> None:
    assert Fault(pointer=pointer, detail=told) in faults_of(body, kind)


@pytest.mark.parametrize(
    ("kind", "body", "pointer", "told"),
    [
        pytest.param(
            EarnRequest,
            '{"customer_id": "c", "points": "5"}',
            "#/points",
            "must be a whole number, not text",
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
            "must be text, not a whole number",
            id="a number for text",
        ),
        pytest.param(EarnRequest, "[]", "#", "must be an object, not a list", id="a list"),
        pytest.param(EarnRequest, "null", "#", "must be an object, not null", id="null"),
        pytest.param(list[Raw], "{}", "#", "must be a list, not an object", id="an object"),
        pytest.param(
            ProgramPatch,
            '{"is_active": "yes"}',
            "#/is_active",
            "must be true or false, not text",
            id="text for a switch",
        ),
        pytest.param(
            ProgramPatch,
            '{"tiers": 3}',
            "#/tiers",
            "must be a list or null, not a whole number",
            id="what may be null",
        ),
        pytest.param(
            ProgramCreate,
            '{"name": "x", "points_per_dollar": "many"}',
            "#/points_per_dollar",
            "must be a number; as text, digits with at most six decimals",
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
def test_a_wrong_type_is_told_in_words(kind: Any, body: str, pointer: str, told: str) -> None:
    assert Fault(pointer=pointer, detail=told) in faults_of(body, kind)


def test_the_place_stands_below_that_of_the_json_in_the_body() -> None:
    (fault,) = faults_of('{"type": "gift"}', RewardPatch, at="#/items/3")
    assert fault.pointer == "#/items/3/type"


def test_a_choice_of_a_parameter_is_told_in_the_same_words() -> None:
    faults = Faults()
    query = Query({"type": ["gift"]}, faults, known=frozenset({"type"}))
    query.one_of("type", get_args(TransactionType))
    assert faults.found[0].detail.startswith("must be one of: earn, redeem, ")


def test_the_choices_of_an_event_are_told_too() -> None:
    event = '{"specversion": "1.0", "id": "1", "source": "/", "type": "order.shipped"}'
    detail = "must be one of: order.completed, order.refunded"
    assert Fault(pointer="#/type", detail=detail) in faults_of(event, EventEnvelope)
