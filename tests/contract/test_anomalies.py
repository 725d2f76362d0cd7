"""The checks of requests about anomalies, their settings and backtests."""

from typing import Any

import pytest
from litestar.handlers import HTTPRouteHandler

from libs.contracts.operations import OPERATIONS
from services.anomaly.api.routes import ROUTES
from tests.support import Shop

UNKNOWN = "anom_01a2119a-f52d-756b-8934-131444bb1bb0"
RESOLVED = {"status": "resolved"}


def test_the_routes_are_those_of_the_table() -> None:
    served = {
        (one.operation_id, method, path.count("/"), one.status_code)
        for one in ROUTES
        if isinstance(one, HTTPRouteHandler)
        for method in one.http_methods - {"OPTIONS", "HEAD"}
        for path in one.paths
    }
    declared = {
        (one.id, one.method, f"/v1/stores/x/{one.path}".count("/"), one.status)
        for one in OPERATIONS
        if one.owner == "anomaly"
    }
    assert served == declared


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        pytest.param({}, ["#/status"], id="nothing"),
        pytest.param({"status": "lost"}, ["#/status"], id="an unknown status"),
        pytest.param(RESOLVED, ["#/resolution"], id="no resolution"),
        pytest.param(RESOLVED | {"resolution": "lost"}, ["#/resolution"], id="an unknown one"),
        pytest.param(
            {"status": "in_review", "resolution": "voided"}, ["#/resolution"], id="too early"
        ),
        pytest.param(RESOLVED | {"note": "x" * 256}, ["#/resolution", "#/note"], id="both"),
        pytest.param({"status": "in_review", "note": " "}, ["#/note"], id="an empty note"),
        pytest.param({"status": "in_review", "why": "x"}, ["#/why"], id="a misspelt field"),
        pytest.param({"status": "in_review", "version": 0}, ["#/version"], id="no version"),
        pytest.param(
            {"status": "pending_review", "resolution": "voided"}, ["#/resolution"], id="no decision"
        ),
    ],
)
async def test_faults_of_reviews_have_pointers(
    shop: Shop, body: dict[str, Any], pointers: list[str]
) -> None:
    response = await shop.call("PATCH", f"loyalty/anomalies/{UNKNOWN}", body)
    assert (response.status, response.json["code"]) == (400, "invalid_request")
    assert [fault["pointer"] for fault in response.json["errors"]] == pointers


RAPID, UNUSUAL, DEVIATION = "rapid_earning", "unusual_amount", "deviation"
SETTINGS = [
    pytest.param({RAPID: {"count": 1}}, [f"#/{RAPID}/count"], id="count"),
    pytest.param({RAPID: {"count": 1_001}}, [f"#/{RAPID}/count"], id="count too high"),
    pytest.param({RAPID: {"count": 2.5}}, [f"#/{RAPID}/count"], id="half a count"),
    pytest.param({RAPID: {"mode": "on"}}, [f"#/{RAPID}/mode"], id="mode"),
    pytest.param({RAPID: None}, [f"#/{RAPID}"], id="null"),
    pytest.param({"rapid": {}}, ["#/rapid"], id="an unknown detector"),
    pytest.param({RAPID: {"size": 1}}, [f"#/{RAPID}/size"], id="an unknown parameter"),
    pytest.param(
        {
            RAPID: {"window_seconds": 0},
            UNUSUAL: {"factor": 1, "min_history": 0, "min_points": 0},
            DEVIATION: {"score": 0, "min_days": 366},
        },
        [
            f"#/{RAPID}/window_seconds",
            f"#/{UNUSUAL}/factor",
            f"#/{UNUSUAL}/min_history",
            f"#/{UNUSUAL}/min_points",
            f"#/{DEVIATION}/score",
            f"#/{DEVIATION}/min_days",
        ],
        id="every parameter",
    ),
    pytest.param({UNUSUAL: {"factor": 1.0000001}}, [f"#/{UNUSUAL}/factor"], id="seven decimals"),
]


@pytest.mark.parametrize(("body", "pointers"), SETTINGS)
async def test_faults_of_settings_have_pointers(
    shop: Shop, body: dict[str, Any], pointers: list[str]
) -> None:
    response = await shop.call("PUT", "loyalty/anomaly-settings", body)
    assert (response.status, response.json["code"]) == (400, "invalid_request"), response.raw
    assert [fault["pointer"] for fault in response.json["errors"]] == pointers
    day = {"from": "2026-03-10", "to": "2026-03-10", "settings": body}
    response = await shop.call("POST", "loyalty/anomaly-settings/backtest", day)
    places = [fault["pointer"] for fault in response.json["errors"]]
    assert places == [f"#/settings{one.removeprefix('#')}" for one in pointers]


@pytest.mark.parametrize(
    ("days", "pointers"),
    [
        ({"to": "2026-03-10"}, ["#/from"]),
        ({"from": "2026-03-10", "to": "2026-02-30"}, ["#/to"]),
        ({"from": "10.3.2026", "to": "0001-01-01"}, ["#/from", "#/to"]),
        ({"from": "2026-03-11", "to": "2026-03-10"}, ["#/to"]),
        ({"from": "2024-03-10", "to": "2026-03-10"}, ["#/to"]),
    ],
)
async def test_faults_of_days_have_pointers(
    shop: Shop, days: dict[str, str], pointers: list[str]
) -> None:
    response = await shop.call("POST", "loyalty/anomaly-settings/backtest", days)
    assert response.status == 400, response.raw
    assert [fault["pointer"] for fault in response.json["errors"]] == pointers


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("status=lost", "status"),
        ("status=in_review,lost", "status"),
        ("status=", "status"),
        ("order=points_involved", "order"),
        ("flagged_after=2026-03-10", "flagged_after"),
        ("mode=off", "mode"),
        ("type=rapid", "type"),
        ("resolution=void", "resolution"),
        ("resolution=approved,voided", "resolution"),
        ("resolution=voided&status=pending_review,in_review", "resolution"),
        ("resolution=voided&mode=shadow", "resolution"),
        ("customer_id=a%20b", "customer_id"),
        (f"starting_after={UNKNOWN}", "starting_after"),
        ("starting_after=x", "starting_after"),
        ("limit=101", "limit"),
        ("page=2", "page"),
    ],
)
async def test_faults_of_parameters_are_named(shop: Shop, query: str, parameter: str) -> None:
    response = await shop.call("GET", f"loyalty/anomalies?{query}")
    assert response.status == 400, response.raw
    assert [fault["parameter"] for fault in response.json["errors"]] == [parameter]


@pytest.mark.parametrize("anomaly", [UNKNOWN, "anom_x", "txn_1"])
async def test_an_unknown_anomaly_is_not_found(shop: Shop, anomaly: str) -> None:
    for method, body in (("GET", None), ("PATCH", {"status": "in_review"})):
        response = await shop.call(method, f"loyalty/anomalies/{anomaly}", body)
        assert (response.status, response.json["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("GET", "loyalty/anomalies", "read"),
        ("GET", f"loyalty/anomalies/{UNKNOWN}", "read"),
        ("PATCH", f"loyalty/anomalies/{UNKNOWN}", "manage"),
        ("GET", "loyalty/anomaly-settings", "read"),
        ("PUT", "loyalty/anomaly-settings", "manage"),
        ("POST", "loyalty/anomaly-settings/backtest", "read"),
    ],
)
async def test_each_path_requires_its_scope(shop: Shop, method: str, path: str, scope: str) -> None:
    others = ",".join({"read", "earn", "redeem", "manage", "admin"} - {scope})
    key = await shop.stack.key(shop.store_id, scopes=others)
    response = await shop.call(method, path, None if method == "GET" else {}, key=key)
    assert (response.status, response.json["required"]) == (403, scope)
