"""The values that both clients complete are those of the API."""

import re
from inspect import getsource, signature
from typing import Literal, get_args, get_origin, get_type_hints

import msgspec
import pytest

from libs.contracts import anomalies, api, events, groups, lifecycle, order_api, rewards
from libs.kernel import errors
from tests.support import ROOT
from whale_loyalty import models, values
from whale_loyalty._operations import anomalies as operations

_TYPES = (ROOT / "libs/whale-js/src/types.ts").read_text()
_NAMES = sorted(set(vars(values)) & set(re.findall(r"\w+(?=: TypeAlias)", getsource(values))))


def literals(union: object) -> set[str]:
    """The literal values in a type."""
    if get_origin(union) is Literal:
        return set(get_args(union))
    return {value for part in get_args(union) for value in literals(part)}


def of_service(name: str) -> set[str]:
    """The values that the service defines under this name."""
    if name == "UnavailableReason":
        refusals = (errors.ProgramInactive, errors.AccountSuspended, errors.InsufficientPoints)
        return of_service("RewardReason") | {refusal.code for refusal in refusals}
    for module in (anomalies, api, events, groups, lifecycle, order_api, rewards, errors):
        if hasattr(module, name):
            return literals(getattr(module, name))
    raise AssertionError(f"The service has no {name}.")


def of_javascript(name: str) -> set[str]:
    """The values of a type in the JavaScript client."""
    (definition,) = re.findall(rf"^export type {name} =(.*?);", _TYPES, re.MULTILINE | re.DOTALL)
    known = set(re.findall(r'"([\w.-]+)"', definition))
    return known | (of_javascript("RewardReason") if "RewardReason" in definition else set())


def settings_of_python() -> dict[str, set[str]]:
    """The parameters of each detector in the Python client."""
    return {
        kind: set(part.__struct_fields__)
        for kind, part in get_type_hints(models.AnomalySettings).items()
        if kind != "version"
    }


def settings_of_javascript() -> dict[str, set[str]]:
    """The parameters of each detector in the JavaScript client."""
    (body,) = re.findall(r"^interface Detectors \{\n(.*?)^\}", _TYPES, re.MULTILINE | re.DOTALL)
    parts = re.findall(r"^  (\w+): \{(.*?)\};$", body, re.MULTILINE)
    return {kind: set(re.findall(r"(\w+):", part)) for kind, part in parts}


@pytest.mark.parametrize("name", _NAMES)
def test_both_clients_complete_the_values_of_the_service(name: str) -> None:
    assert literals(getattr(values, name)) == of_service(name) == of_javascript(name) != set()


def test_both_clients_have_the_settings_of_every_detector() -> None:
    parameters = {
        kind: set(part.__struct_fields__)
        for kind, part in get_type_hints(anomalies.AnomalySettings).items()
    }
    assert set(parameters) == set(anomalies.ANOMALY_TYPES)
    assert settings_of_python() == settings_of_javascript() == parameters
    accepted = signature(operations.update_settings).parameters.keys() - {
        "idempotency_key",
        "version",
    }
    assert accepted == set(parameters)


def test_a_value_that_came_later_is_read() -> None:
    body = b'{"id": "t", "type": "transfer", "points": 1, "reason": "", "created_at": "2026-03-10T12:00:00Z"}'
    assert msgspec.json.decode(body, type=models.RecentTransaction).type == "transfer"
