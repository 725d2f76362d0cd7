"""The documented bounds are the enforced ones: at every edge, both say the same of each field."""

from collections.abc import Callable
from typing import Any

import jsonschema_rs
import msgspec
import pytest

from libs.contracts import api, lifecycle, order_api, program_api, rewards
from libs.contracts.bounds import BOUNDS
from libs.kernel.clock import parse_time
from libs.kernel.errors import InvalidRequest
from libs.kernel.zones import find_zone
from libs.web.body import Faults, decode
from services.catalog.api import checks as catalog
from services.earning.api import checks as earning
from services.redemption.api import routes as redemption
from tools.docs.schemas import SchemaCollector

TIER = {"name": "Silver", "min_points": 5000, "multiplier": 1.5}
PROGRAM = {"name": "VIP", "points_per_dollar": 10, "tiers": [TIER]}
AWARD = {"customer_id": "cust_1", "points": 5, "reason": "Birthday"}
REWARD = {"name": "Free Shipping", "points_cost": 500, "type": "shipping"}

# The settings of a program about expiry and pending points, of each kind.
LIFECYCLE: list[tuple[str, type[msgspec.Struct], dict[str, Any]]] = [
    ("expiry", lifecycle.Expiry, {"kind": "after", "months": 12, "round": "month"}),
    ("expiry", lifecycle.Expiry, {"kind": "yearly", "dates": ["12-31"], "at_least_days": 90}),
    ("expiry", lifecycle.Expiry, {"kind": "inactivity", "days": 90, "returned_days": 0}),
    ("pending", lifecycle.Pending, {"days": 14, "from": "fulfilled", "give_up_days": 90}),
]

Check = Callable[[Any, Faults], None]

# A request, what checks it, and one that is right.
REQUESTS: list[tuple[type[msgspec.Struct], Check, dict[str, Any]]] = [
    (program_api.ProgramCreate, earning.program_create, PROGRAM),
    (program_api.ProgramPatch, earning.program_patch, {}),
    (api.ClockRequest, earning.clock, {"now": "2027-01-01T00:00:00Z"}),
    (api.EarnRequest, earning.earn, AWARD),
    (api.AdjustRequest, earning.adjust, AWARD),
    (api.EarnBatchRequest, earning.batch, {"items": [AWARD]}),
    (order_api.OrderRelease, earning.release, {"order_id": "1042"}),
    (api.CustomerPatch, earning.customer_patch, {"status": "active"}),
    (rewards.RewardCreate, catalog.reward_create, REWARD),
    (rewards.RewardPatch, catalog.reward_patch, {}),
    (rewards.UseRequest, redemption.check_use, {"code": "7Q4M-Z0XK-B8TC-2HVR"}),
]


def _is_time(text: str) -> bool:
    try:
        parse_time(text)
    except ValueError:
        return False
    return True


def _lengths(*longest: int) -> list[str]:
    return ["x" * length for end in longest for length in (end, end + 1)]


def _around(*ends: float) -> list[float]:
    return [end + step for end in ends for step in (-1, 0, 1)]


# Values at and about every edge that any bound has, and of every other kind.
VALUES: list[Any] = [
    *(None, True, [], {}, "", " ", "\u00a0", "a", "a b", "a\n", "a\x00b", "a\x85b", "é", "🐋"),
    *("usd", "USD", "USDX", "cust_1", "a@b.c|d=e~f", "rwd_1", "rwd_", "rwd_a b"),
    *("0", "0.0", "0.000001", "0.0000001", "1.5", "-1", "100", "100.000001", "1000", "1000.1"),
    *(
        "1000000",
        "1000000.1",
        "999999.999999",
        "1000000000000",
        "1000000000000.1",
        "10000000000000",
    ),
    *_lengths(40, 64, 120, 128, 255, 500, 1000, 2000),
    *(f"rwd_{one}" for one in _lengths(64)),
    *(0.5, 1.5, 1e-06, 1e-07, 1.000001, 1.0000001, 0.1, 999.999999, 999999.999999),
    *_around(0, 100, 1000, 10**6, 10**9, -(10**9), 10**12, 9 * 10**15),
    *("2026-03-10", "2026-02-29", "20260310", "2026-W11-2", "2026-3-10"),
    *("2026-03-10T12:00:00Z", "2026-03-10T12:00:00", "yesterday", "https://shop.example/a.png"),
    *({"a": "b"}, {"": "b"}, {"a": 1}, {"k" * 40: "v"}, {"k" * 41: "v"}, {"a": "v" * 501}),
    *({"a\nb": "v"}, {"a": "v\nv"}, {f"k{n}": "v" for n in range(50)}),
    {f"k{n}": "v" for n in range(51)},
    *([f"perk {n}" for n in range(count)] for count in (1, 50, 51)),
    *([one] for one in ("", "x" * 255, "x" * 256, 5)),
    *([{"name": f"T{n}", "min_points": n, "multiplier": 1} for n in range(c)] for c in (50, 51)),
    *([AWARD] * count for count in (1, 500, 501)),
    *("Europe/Berlin", "Europe/Bonn", "after", "yearly", "inactivity", "day", "order", "fulfilled"),
    *_around(1, 12, 60, 365, 366, 730, 1_096),
    *([1], [0], [365, 7], [366], [7, 7], [1, 2, 3, 4, 5], [1, 2, 3, 4, 5, 6]),
    *([date] for date in ("12-31", "02-29", "02-30", "04-31", "13-01", "1-1", "00-10")),
    *(["12-31", "06-30"], ["06-30", "06-30"], [f"{m:02}-01" for m in range(1, 13)]),
    [*(f"{m:02}-01" for m in range(1, 13)), "01-02"],
]


def _fields() -> list[Any]:
    """Each bounded field of each request, and of what stands inside it."""
    schema_bounds = [
        pytest.param(kind, check, right, (name,), id=f"{kind.__name__}.{name}")
        for kind, check, right in REQUESTS
        for name in BOUNDS[kind]
    ]
    for name in BOUNDS[program_api.TierInput]:
        where = ("tiers", 0, name)
        schema_bounds.append(
            pytest.param(
                program_api.ProgramCreate, earning.program_create, PROGRAM, where, id=f"Tier.{name}"
            )
        )
    for name, right in (
        ("amount", {"amount": "5", "currency": "USD"}),
        ("currency", {"amount": "5", "currency": "USD"}),
        ("percent", {"percent": 10}),
    ):
        worth = {**REWARD, "value": right}
        schema_bounds.append(
            pytest.param(
                rewards.RewardCreate,
                catalog.reward_create,
                worth,
                ("value", name),
                id=f"RewardValue.{name}",
            )
        )
    schema_bounds.extend(
        pytest.param(
            program_api.ProgramCreate,
            earning.program_create,
            {**PROGRAM, setting: right},
            (setting, name),
            id=f"{setting}.{name}-{right.get('kind', '')}",
        )
        for setting, kind, right in LIFECYCLE
        for name in [*BOUNDS[kind], *(["kind", "round"] if setting == "expiry" else ["from"])]
    )
    return schema_bounds


@pytest.mark.parametrize(("kind", "check", "right", "where"), _fields())
def test_a_value_is_taken_just_where_the_documentation_says(
    kind: type[msgspec.Struct], check: Check, right: dict[str, Any], where: tuple[Any, ...]
) -> None:
    schemas = SchemaCollector("#/$defs/", {(api.EarnBatchRequest, "items"): _batch()})
    schema = {**schemas.of(kind), "$defs": schemas.collected}
    documented = jsonschema_rs.Draft202012Validator(
        schema,
        validate_formats=True,
        formats={
            "date-time": _is_time,
            "uri": catalog.is_url,
            "time-zone": lambda name: find_zone(name) is not None,
        },
    )
    accepted_count = refused_count = 0
    for value in VALUES:
        body = _with(right, where, value)
        accepted = _is_accepted(kind, check, body)
        assert documented.is_valid(body) == accepted, (where, value)
        accepted_count += accepted
        refused_count += not accepted
    # Of a field that the kind does not have, every value is refused.
    assert accepted_count or where[0] == "expiry"
    assert refused_count


def _batch() -> dict[str, Any]:
    return {"type": "array", **BOUNDS[api.EarnBatchRequest]["items"]}


def _with(right: dict[str, Any], where: tuple[Any, ...], value: Any) -> Any:
    """The right request with one value replaced."""
    body = msgspec.json.decode(msgspec.json.encode(right))
    inner = body
    for step in where[:-1]:
        inner = inner[step]
    inner[where[-1]] = value
    return body


def _is_accepted(kind: type[msgspec.Struct], check: Check, body: Any) -> bool:
    faults = Faults()
    try:
        check(decode(msgspec.json.encode(body), kind), faults)
    except InvalidRequest:
        return False
    return not faults.all
