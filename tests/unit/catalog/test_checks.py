"""The bounds of rewards, value by value; what of them callers see stands in the contract tests."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from libs.contracts.numbers import money
from libs.contracts.rewards import RewardCreate, RewardPatch
from libs.kernel.errors import InvalidRequest
from libs.web.body import Faults, decode
from services.catalog.api import checks
from services.catalog.domain import REWARD_ID


def faulty_places(kind: type[RewardCreate] | type[RewardPatch], **fields: Any) -> list[str | None]:
    needed = {"name": "x", "points_cost": 1, "type": "perk"} if kind is RewardCreate else {}
    faults = Faults()
    try:
        request = decode(msgspec.json.encode(needed | fields), kind)
    except InvalidRequest as error:
        return [fault.pointer for fault in error.errors]
    if isinstance(request, RewardCreate):
        checks.reward_create(request, faults)
    else:
        checks.reward_patch(request, faults)
    return [fault.pointer for fault in faults.found]


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        pytest.param("https://example.com", True, id="a host"),
        pytest.param("HTTP://EXAMPLE.COM/a", True, id="capital letters"),
        pytest.param("https://例え.jp/絵.png", True, id="letters of another script"),
        pytest.param("http://[::1]:8080/x?y=1#z", True, id="an address with a port"),
        pytest.param("http://x:65535", True, id="the last port"),
        pytest.param("http://x:65536", False, id="a port beyond"),
        pytest.param("http://x:0", False, id="port 0"),
        pytest.param("http://x:a", False, id="a port in letters"),
        pytest.param("http://[::1", False, id="half an address"),
        pytest.param("https://", False, id="no host"),
        pytest.param("https:///x", False, id="an empty host"),
        pytest.param("//example.com/x", False, id="no scheme"),
        pytest.param("example.com", False, id="a host alone"),
        pytest.param("data:image/png;base64,AA", False, id="data"),
        pytest.param("https://example.com/a b", False, id="a blank"),
        pytest.param("https://example.com/\n", False, id="a line break"),
        pytest.param("\thttps://example.com/", False, id="a tab before it"),
        pytest.param('https://example.com/"><script>', False, id="what could leave an attribute"),
        pytest.param("", False, id="nothing"),
    ],
)
def test_an_image_has_an_http_url(text: str, *, holds: bool) -> None:
    assert checks.is_url(text) is holds


@pytest.mark.parametrize(
    ("text", "holds"),
    [("rwd_1", True), ("rwd_A-b_9", True), ("rwd_", False), ("rwd_1\n", False), ("rwd_é", False)],
)
def test_a_rewards_id_has_one_form(text: str, *, holds: bool) -> None:
    assert (REWARD_ID.fullmatch(text) is not None) is holds


@pytest.mark.parametrize(
    "value",
    [
        pytest.param({"percent": "NaN"}, id="no number"),
        pytest.param({"percent": "-1"}, id="less than nothing"),
        pytest.param({"percent": "1e-7"}, id="seven decimals"),
        pytest.param({"amount": "Infinity", "currency": "USD"}, id="endless money"),
        pytest.param({"amount": "1e999999", "currency": "USD"}, id="an exponent"),
        pytest.param({"amount": "-0.01", "currency": "USD"}, id="a debt"),
    ],
)
def test_a_value_is_a_number_over_zero(value: dict[str, str]) -> None:
    (place,) = faulty_places(RewardCreate, value=value)
    assert place in {"#/value/percent", "#/value/amount"}


def test_a_patch_is_checked_only_in_what_it_names() -> None:
    assert faulty_places(RewardPatch) == []
    assert faulty_places(RewardPatch, stock=None, value=None, metadata=None, ends_at=None) == []
    assert faulty_places(RewardPatch, stock=-1) == ["#/stock"]


def test_text_may_have_several_lines_but_no_control_character() -> None:
    assert faulty_places(RewardCreate, description="one\r\n\ttwo", metadata={"k": "a\nb"}) == []
    assert faulty_places(RewardCreate, description="\a", metadata={"k\n": "\a"}) == [
        *("#/description", "#/metadata/k\n", "#/metadata/k\n")
    ]


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        ("25", "25.00"),
        ("25.00", "25.00"),
        ("2.5E+1", "25.00"),
        ("25.5", "25.50"),
        ("0.125000", "0.125"),
        ("0.000001", "0.000001"),
        ("1E+12", "1000000000000.00"),
    ],
)
def test_money_has_two_decimals_or_as_many_more_as_it_needs(amount: str, text: str) -> None:
    assert money(Decimal(amount)) == text
