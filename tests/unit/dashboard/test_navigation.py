"""Where a reader is led after signing in, and the addresses of what pages link to."""

import pytest

from services.dashboard.domain.navigation import link, safe_next


@pytest.mark.parametrize(
    "target",
    [
        "/dashboard",
        "/dashboard/anomalies",
        "/dashboard/customer?id=..",
        "/dashboard?range=all",
        "/dashboard/customers?query=a//b",
    ],
)
def test_a_reader_returns_to_a_page_of_ours(target: str) -> None:
    assert safe_next(target) == target


@pytest.mark.parametrize(
    "target",
    [
        None,
        "",
        "/",
        "/docs",
        "/dashboards",
        "//evil.example",
        "/\\evil.example",
        "/dashboard//evil.example",
        "/dashboard/../docs",
        "/dashboard\\..\\docs",
        "https://evil.example/dashboard",
        "javascript:alert(1)",
        "/dash\nboard",
        "\t//evil.example",
    ],
)
def test_a_reader_is_led_nowhere_else(target: str | None) -> None:
    assert safe_next(target) == "/dashboard"


def test_any_id_survives_a_link() -> None:
    assert link("customer", id="..") == "/dashboard/customer?id=.."
    assert link("customer", id="a&b+c'|~$") == "/dashboard/customer?id=a%26b%2Bc%27%7C~%24"
    assert link("customers", query="", tier=None) == "/dashboard/customers"
    assert link("") == "/dashboard"
