"""What is warned of when a program is created or changed, at the place of what the request set."""

from typing import Any

import msgspec
import pytest

from libs.contracts.numbers import decoder
from libs.contracts.program_api import ProgramCreate, ProgramPatch
from services.earning.domain.program_warnings import find_warnings
from services.earning.domain.programs import Program, StorePrograms
from tests.unit.earning.test_programs import program

OTHER = program()
OWN = program()
CREATE = {"name": "Own", "points_per_dollar": 10}


def tier(multiplier: float) -> dict[str, Any]:
    return {"name": f"x{multiplier}", "min_points": 0, "multiplier": multiplier}


def pointers(request: dict[str, Any], kind: Any, *others: Program) -> list[str]:
    decoded = decoder(kind).decode(msgspec.json.encode(request))
    warnings = find_warnings(decoded, OWN, StorePrograms((*others, OWN)))
    assert all(warning.detail.endswith(".") for warning in warnings)
    return [warning.pointer for warning in warnings]


@pytest.mark.parametrize(
    ("request_", "kind", "others", "expected"),
    [
        pytest.param(CREATE, ProgramCreate, (), [], id="the first program"),
        pytest.param(CREATE, ProgramCreate, (OTHER,), ["#/is_active"], id="a second active one"),
        pytest.param(
            {**CREATE, "is_active": False}, ProgramCreate, (OTHER,), [], id="an inactive one"
        ),
        pytest.param(
            CREATE,
            ProgramCreate,
            (program(is_active=False),),
            [],
            id="the only active one",
        ),
        pytest.param(
            {"is_active": True}, ProgramPatch, (OTHER,), ["#/is_active"], id="one made active"
        ),
        pytest.param({"name": "Own"}, ProgramPatch, (OTHER,), [], id="another field"),
        pytest.param({"tiers": None}, ProgramPatch, (), [], id="no tiers"),
    ],
)
def test_a_second_active_program_is_warned_of(
    request_: dict[str, Any], kind: Any, others: tuple[Program, ...], expected: list[str]
) -> None:
    assert pointers(request_, kind, *others) == expected


@pytest.mark.parametrize("kind", [ProgramCreate, ProgramPatch])
def test_a_multiplier_below_one_is_warned_of_at_its_tier(kind: Any) -> None:
    request = {**(CREATE if kind is ProgramCreate else {}), "tiers": [tier(1), tier(0.5), tier(2)]}
    assert pointers(request, kind) == ["#/tiers/1/multiplier"]
