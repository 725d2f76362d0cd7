"""One response lists every fault of a body, also when the faults are of different kinds."""

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec
import pytest
from msgspec import UNSET, Raw, Struct

from libs.contracts import anomalies, api, program_api, rewards
from libs.contracts.numbers import decoder
from libs.kernel.errors import Fault
from libs.kernel.wording import REQUIRED
from libs.web.body import Faults, read
from services.anomaly.api import checks as anomaly
from services.catalog.api import checks as catalog
from services.earning.api import checks as earning
from services.redemption.api.routes import check_redeem as redeem

Check = Callable[[Any, Faults], None]


# The body of every write.
BODIES: list[tuple[type[Struct], Check]] = [
    (program_api.ProgramCreate, earning.program_create),
    (program_api.ProgramPatch, earning.program_patch),
    (api.EarnRequest, earning.earn),
    (api.EarnRequest, partial(earning.earn, at="#")),
    (api.AdjustRequest, earning.adjust),
    (api.EarnBatchRequest, earning.batch),
    (api.CustomerPatch, earning.customer_patch),
    (rewards.RewardCreate, catalog.reward_create),
    (rewards.RewardPatch, catalog.reward_patch),
    (rewards.RedeemRequest, redeem),
    (anomalies.AnomalyPatch, anomaly.patch),
    (anomalies.AnomalySettingsInput, anomaly.settings),
    (anomalies.BacktestRequest, anomaly.backtest),
]


def faults_of(body: object, kind: type[Struct], check: Check, *, at: str = "#") -> list[Fault]:
    faults = Faults()
    read(
        body if isinstance(body, bytes) else json.dumps(body).encode(),
        kind,
        faults,
        check=check,
        at=at,
    )
    return faults.all


def pointers(*arguments: Any) -> list[str | None]:
    return [fault.pointer for fault in faults_of(*arguments)]


@pytest.mark.parametrize(("kind", "check"), BODIES)
def test_an_empty_object_names_every_required_field_and_nothing_else(
    kind: type[Struct], check: Check
) -> None:
    required = [field.encode_name for field in msgspec.structs.fields(kind) if field.required]
    assert faults_of({}, kind, check) == [
        Fault(pointer=f"#/{name}", detail=REQUIRED) for name in required
    ]


@pytest.mark.parametrize(("kind", "check"), BODIES)
@pytest.mark.parametrize(
    "wrong", [pytest.param({"no": 1}, id="object"), pytest.param(7.5, id="number"), [[]]]
)
def test_every_field_of_a_wrong_type_is_named_once(
    kind: type[Struct], check: Check, wrong: object
) -> None:
    body = {field.encode_name: wrong for field in msgspec.structs.fields(kind)}
    body |= {"surprise": 1, "p~/x": 2}
    faulty = pointers(body, kind, check)
    assert {"#/surprise", "#/p~0~1x"} <= set(faulty)
    assert len(faulty) == len(set(faulty))
    for field in msgspec.structs.fields(kind):
        prefix = f"#/{field.encode_name}"
        is_valid = not _is_invalid(field.type, wrong)
        assert is_valid or any(pointer and pointer.startswith(prefix) for pointer in faulty), prefix


def _is_invalid(kind: Any, value: object) -> bool:
    try:
        decoder(kind).decode(json.dumps(value))
    except msgspec.ValidationError:
        return True
    return False


def test_missing_unknown_mistyped_and_out_of_bounds_fields_are_in_one_response() -> None:
    body = {
        "points_per_dollar": -1,
        "currency": "usd",
        "is_active": "yes",
        "color": "red",
        "tiers": [
            {"name": "A", "multiplier": "fast", "min_points": -5},
            {"name": "A", "multiplier": 1, "min_points": 0, "perks": ["", 5], "badge": 1},
            "Gold",
        ],
    }
    assert sorted(pointers(body, program_api.ProgramCreate, earning.program_create), key=str) == [
        "#/color",
        "#/currency",
        "#/is_active",
        "#/name",
        "#/points_per_dollar",
        "#/tiers/0/min_points",
        "#/tiers/0/multiplier",
        "#/tiers/0/name",
        "#/tiers/1/badge",
        "#/tiers/1/name",
        "#/tiers/1/perks/0",
        "#/tiers/1/perks/1",
        "#/tiers/2",
    ]


def test_rules_that_depend_on_an_invalid_value_are_not_checked() -> None:
    tiers = [{"min_points": 0, "multiplier": 1}, {"min_points": 5, "multiplier": 1}]
    body = {"name": "x", "points_per_dollar": 1, "tiers": tiers}
    assert pointers(body, program_api.ProgramCreate, earning.program_create) == [
        "#/tiers/0/name",
        "#/tiers/1/name",
    ]
    review = {"status": "closed", "resolution": "voided"}
    assert pointers(review, anomalies.AnomalyPatch, anomaly.patch) == ["#/status"]
    window = {"starts_at": 5, "ends_at": "2026-03-10T12:00:00Z"}
    assert pointers(window, rewards.RewardPatch, catalog.reward_patch) == ["#/starts_at"]
    value = {"value": {"amount": True, "currency": "usd"}}
    assert pointers(value, rewards.RewardPatch, catalog.reward_patch) == [
        "#/value/amount",
        "#/value/currency",
    ]


def test_the_pointers_of_a_batch_item_include_its_index() -> None:
    faulty = [
        fault.pointer
        for fault in faults_of(
            {"points": 0}, api.EarnRequest, partial(earning.earn, at="#/items/3"), at="#/items/3"
        )
    ]
    assert faulty == ["#/items/3/customer_id", "#/items/3/reason", "#/items/3/points"]


@pytest.mark.parametrize(
    "body", [b'{"points": "5", "x": [1, }', b'{"points": "5"', b'{"points": "5"} x']
)
def test_a_body_that_stops_being_json_after_a_fault_is_not_json(body: bytes) -> None:
    (fault,) = faults_of(body, api.EarnRequest, earning.earn)
    assert fault.pointer == "#"
    assert fault.detail.startswith("is not valid JSON: ")


def test_a_duplicate_field_with_an_invalid_value_is_refused() -> None:
    body = b'{"customer_id": "c", "points": "5", "points": 5, "reason": "r"}'
    (fault,) = faults_of(body, api.EarnRequest, earning.earn)
    assert (fault.pointer, fault.detail) == ("#", "must not have the same field twice")


def test_an_unknown_field_gets_the_most_similar_name() -> None:
    body = {"customerId": "c", "customer_id": "c", "points": 5, "reason": "r"}
    (fault,) = faults_of(body, api.EarnRequest, earning.earn)
    assert fault.pointer == "#/customerId"
    assert fault.detail == "is an unknown field; did you mean `customer_id`?"


class _AllKinds(Struct, forbid_unknown_fields=True):
    """A required field of each kind that has a stand-in."""

    text: str
    raw: Raw
    many: list[dict[str, int]]
    fixed: tuple[int, ...]
    maybe: int | msgspec.UnsetType | None
    unset: int | msgspec.UnsetType = UNSET


def test_each_kind_has_a_stand_in() -> None:
    assert pointers({}, _AllKinds, lambda _value, _faults: None) == [
        "#/text",
        "#/raw",
        "#/many",
        "#/fixed",
        "#/maybe",
    ]
