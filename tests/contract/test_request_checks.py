"""What is checked of a request before anything is done, and in which order."""

import asyncio
import json

import pytest

from libs.testing.eventually import eventually
from services.gateway.handlers import authentication
from tests.support import PROGRAM, ApiResponse, Shop


def assert_problem(response: ApiResponse, status: int, code: str) -> None:
    assert response.status == status, response.raw
    assert response.headers["Content-Type"] == "application/problem+json"
    problem = response.json
    assert list(problem)[:6] == ["type", "title", "status", "detail", "instance", "code"]
    assert problem["type"] == f"/problems/{code}"
    assert (problem["status"], problem["code"]) == (status, code)
    assert problem["instance"] == response.headers["X-Request-Id"]


def pointers(response: ApiResponse) -> list[str]:
    return [fault["pointer"] for fault in response.json["errors"]]


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        pytest.param("Bearer ", "No API key was sent", id="empty"),
        pytest.param("Bearer wk_live_x", "not an API key", id="too short"),
        pytest.param("Bearer wk_test_\u00fc" + "x" * 42, "not an API key", id="no ASCII"),
        pytest.param("Basic abc", "does not begin with `Bearer`", id="another scheme"),
        pytest.param("Bearer wk_test_" + "x" * 43, "unknown or revoked", id="unknown"),
    ],
)
async def test_an_invalid_key_is_401_with_the_reason(
    shop: Shop, header: str, expected: str
) -> None:
    headers = {"Authorization": header.encode().decode("latin-1")}
    response = await shop.call("GET", "loyalty-programs", headers=headers)
    assert_problem(response, 401, "unauthenticated")
    assert response.headers["WWW-Authenticate"] == "Bearer"
    assert expected in response.json["detail"]


async def test_another_store_is_404_before_the_scope_is_checked(shop: Shop) -> None:
    key = await shop.stack.key(shop.store_id, scopes="earn")
    other = await shop.call("GET", "loyalty-programs", store="store_demo", key=key)
    nobody = await shop.call("GET", "loyalty-programs", store="store_nobody", key=key)
    assert_problem(other, 404, "not_found")
    assert other.json["detail"] == nobody.json["detail"]


async def test_the_store_may_be_named_by_its_id(shop: Shop) -> None:
    assert (await shop.call("GET", "loyalty-programs", store=shop.store_id)).status == 200


async def test_a_missing_scope_is_403_and_names_it(shop: Shop) -> None:
    key = await shop.stack.key(shop.store_id, scopes="read,manage,admin")
    response = await shop.call("POST", "loyalty/earn", b"no json", key=key)
    assert_problem(response, 403, "insufficient_scope")
    assert response.json["required"] == "earn"


async def test_a_method_that_a_path_does_not_take_is_405(shop: Shop) -> None:
    response = await shop.call("DELETE", "loyalty-programs")
    assert_problem(response, 405, "method_not_allowed")
    assert set(response.headers["Allow"].split(", ")) == {"GET", "POST"}


@pytest.mark.parametrize("path", ["nope", "loyalty", "loyalty/earn/x/y", "loyalty//transactions"])
async def test_an_unknown_path_is_404(shop: Shop, path: str) -> None:
    assert_problem(await shop.call("GET", path), 404, "not_found")


async def test_a_body_over_64_kib_is_413_and_one_just_under_is_read(shop: Shop) -> None:
    over = await shop.call("POST", "loyalty/earn", b" " * (64 * 1024 + 1))
    under = await shop.call("POST", "loyalty/earn", b" " * (64 * 1024))
    assert_problem(over, 413, "too_large")
    assert_problem(under, 400, "invalid_request")


@pytest.mark.parametrize("kind", ["text/plain", "application/xml", "application/jsonx", ""])
async def test_a_body_that_is_not_json_is_415(shop: Shop, kind: str) -> None:
    body = json.dumps(PROGRAM).encode()
    response = await shop.call("POST", "loyalty-programs", body, headers={"Content-Type": kind})
    assert_problem(response, 415, "unsupported_media_type")


async def test_json_with_parameters_is_json(shop: Shop) -> None:
    headers = {"Content-Type": "Application/JSON; charset=utf-8"}
    response = await shop.call(
        "POST", "loyalty-programs", json.dumps(PROGRAM).encode(), headers=headers
    )
    assert response.status == 201


async def test_all_faulty_values_are_reported_together(shop: Shop) -> None:
    tiers = [
        {"name": "A", "min_points": 0, "multiplier": 0},
        {"name": "A", "min_points": -1, "multiplier": 1000.5},
        {"name": "", "min_points": 5, "multiplier": 1.0000001},
    ]
    body = {"name": "x" * 121, "points_per_dollar": 0, "currency": "usd", "tiers": tiers}
    response = await shop.call("POST", "loyalty-programs", body)
    assert_problem(response, 400, "invalid_request")
    assert pointers(response) == [
        "#/name",
        "#/points_per_dollar",
        "#/currency",
        "#/tiers/0/name",
        "#/tiers/0/multiplier",
        "#/tiers/1/name",
        "#/tiers/1/min_points",
        "#/tiers/1/multiplier",
        "#/tiers/2/name",
        "#/tiers/2/multiplier",
    ]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        pytest.param(b"", "#", id="no body"),
        pytest.param(b"{", "#", id="half a body"),
        pytest.param(b"\xff", "#", id="no UTF-8"),
        pytest.param(b'{"points": NaN}', "#", id="NaN"),
        pytest.param(b"[" * 60_000, "#", id="nested without end"),
        pytest.param(b"[]", "#", id="a list"),
        pytest.param(b"{}", "#/customer_id #/points #/reason", id="nothing in it"),
        pytest.param(
            b'{"customer_id": "c", "points": "5", "reason": "r"}',
            "#/points",
            id="text for a number",
        ),
        pytest.param(
            b'{"customer_id": "c", "points": 5, "reason": "r", "p~/x": 1}',
            "#/p~0~1x",
            id="an unknown field",
        ),
        pytest.param(
            b'{"customer_id": "c", "points": 0, "reason": "r"}', "#/points", id="no points"
        ),
        pytest.param(
            b'{"customer_id": "c", "points": 1000000001, "reason": "r"}', "#/points", id="too many"
        ),
        pytest.param(
            b'{"customer_id": "c", "points": 99999999999999999999, "reason": "r"}',
            "#/points",
            id="beyond every integer",
        ),
        pytest.param(
            b'{"customer_id": "a b", "points": 5, "reason": "r"}', "#/customer_id", id="a blank"
        ),
        pytest.param(
            b'{"customer_id": "c", "points": 5, "reason": ""}', "#/reason", id="no reason"
        ),
        pytest.param(
            b'{"customer_id": "c", "points": 5, "reason": "a\\u001fb"}', "#/reason", id="a control"
        ),
        pytest.param(
            b'{"customer_id": "c", "points": 5, "reason": "a\\u0000b"}',
            "#/reason",
            id="a zero byte",
        ),
        pytest.param(
            b'{"customer_id": "c", "points": 5, "reason": "\\ud800"}', "#", id="half a character"
        ),
    ],
)
async def test_a_faulty_award_is_400_and_names_the_place(
    shop: Shop, body: bytes, pointer: str
) -> None:
    response = await shop.call("POST", "loyalty/earn", body)
    assert_problem(response, 400, "invalid_request")
    assert pointers(response) == pointer.split()


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=x", "limit"),
        ("limit=1&limit=2", "limit"),
        ("colour=red", "colour"),
        ("type=gift", "type"),
        ("created_after=yesterday", "created_after"),
        ("created_before=2026-03-10T12:00:00", "created_before"),
        ("customer_id=a%20b", "customer_id"),
        ("starting_after=txn_nope", "starting_after"),
    ],
)
async def test_a_faulty_parameter_is_400_and_named(shop: Shop, query: str, parameter: str) -> None:
    response = await shop.call("GET", f"loyalty/transactions?{query}")
    assert_problem(response, 400, "invalid_request")
    assert [fault["parameter"] for fault in response.json["errors"]] == [parameter]


@pytest.mark.parametrize("key", ["", "x" * 256, '""'])
async def test_a_faulty_idempotency_key_is_400_and_named(shop: Shop, key: str) -> None:
    response = await shop.earn("cust_1", 5, **{"Idempotency-Key": key})
    assert_problem(response, 400, "invalid_request")
    assert response.json["errors"][0]["header"] == "Idempotency-Key"


@pytest.mark.parametrize(
    "path",
    [
        "loyalty-programs/loy_01900000-0000-7000-8000-000000000000",
        "loyalty-programs/x",
        "loyalty/customers/cust_nobody",
        "loyalty/customers/%00",
        "loyalty/customers/a%2Fb",
        "loyalty/transactions/txn_01900000-0000-7000-8000-000000000000",
        "loyalty/transactions/%F0%9F%90%8B",
    ],
)
async def test_an_unknown_object_is_404(shop: Shop, path: str) -> None:
    assert_problem(await shop.call("GET", path), 404, "not_found")


async def test_another_stores_objects_look_nonexistent(shop: Shop) -> None:
    program = await shop.program()
    key = await shop.stack.key(f"{shop.store_id}-other")
    mine = f"loyalty-programs/{program['id']}"
    none = "loyalty-programs/loy_01900000-0000-7000-8000-000000000000"
    for method, body in (("GET", None), ("PATCH", {"name": "Mine"})):
        seen = await shop.call(method, mine, body, key=key)
        absent = await shop.call(method, none, body, key=key)
        assert_problem(seen, 404, "not_found")
        assert seen.json["detail"] == absent.json["detail"]


async def test_an_award_without_an_active_program_is_refused(shop: Shop) -> None:
    assert_problem(await shop.earn("cust_1", 5), 409, "program_inactive")
    assert_problem(await shop.call("GET", "loyalty/customers/cust_1"), 404, "not_found")
    program = await shop.program(is_active=False)
    assert_problem(await shop.earn("cust_1", 5), 409, "program_inactive")
    await shop.call("PATCH", f"loyalty-programs/{program['id']}", {"is_active": True})
    assert (await shop.earn("cust_1", 5)).status == 201


async def test_lists_page_newest_first_to_the_end_without_repeating(shop: Shop) -> None:
    await shop.program()
    posted = [(await shop.earn(f"cust_{n % 3}", n + 1)).json["id"] for n in range(7)]
    listed: list[str] = []
    query = "limit=3"
    while True:
        page = (await shop.call("GET", f"loyalty/transactions?{query}")).json
        assert page["total"] == 7
        listed += [one["id"] for one in page["data"]]
        if not page["has_more"]:
            break
        query = f"limit=3&starting_after={listed[-1]}"
    assert listed == posted[::-1]


async def test_transactions_filter_by_customer_type_and_time_inclusively(shop: Shop) -> None:
    await shop.program()
    first = (await shop.earn("cust_1", 1)).json
    await asyncio.sleep(0.005)
    second = (await shop.earn("cust_2", 2)).json

    async def ids(query: str) -> list[str]:
        page = (await shop.call("GET", f"loyalty/transactions?{query}")).json
        return [one["id"] for one in page["data"]]

    both = [second["id"], first["id"]]
    assert await ids("customer_id=cust_1") == [first["id"]]
    assert await ids("customer_id=cust_nobody") == []
    assert await ids("type=earn") == both
    assert await ids("type=refund") == []
    assert await ids(f"created_after={second['created_at']}") == [second["id"]]
    assert await ids(f"created_after={first['created_at']}") == both
    assert await ids(f"created_before={first['created_at']}") == [first["id"]]
    assert await ids("created_before=1970-01-01T00:00:00Z") == []
    assert await ids("created_after=2999-01-01T00:00:00%2B02:00") == []


async def test_programs_list_oldest_first_and_page(shop: Shop) -> None:
    programs = [(await shop.program(name=f"P{n}"))["id"] for n in range(3)]
    page = (await shop.call("GET", "loyalty-programs?limit=2")).json
    assert ([one["id"] for one in page["data"]], page["has_more"]) == (programs[:2], True)
    rest = (await shop.call("GET", f"loyalty-programs?limit=2&starting_after={programs[1]}")).json
    assert ([one["id"] for one in rest["data"]], rest["has_more"]) == (programs[2:], False)
    unknown = await shop.call("GET", "loyalty-programs?starting_after=loy_x")
    assert_problem(unknown, 400, "invalid_request")


async def test_a_patch_changes_what_it_names_and_null_removes_the_tiers(shop: Shop) -> None:
    program = await shop.program()
    path = f"loyalty-programs/{program['id']}"
    renamed = await shop.call("PATCH", path, {"name": "Club"})
    assert renamed.json == {**program, "name": "Club", "version": 2}
    bare = await shop.call("PATCH", path, {"tiers": None, "is_active": False})
    assert (bare.json["tiers"], bare.json["is_active"]) == ([], False)
    assert (await shop.call("GET", path)).json == bare.json
    assert_problem(await shop.call("PATCH", path, {"name": None}), 400, "invalid_request")


async def test_tiers_are_printed_by_their_min_points_with_their_perks(shop: Shop) -> None:
    tiers = [
        {"name": "Gold", "min_points": 100, "multiplier": 2, "perks": ["Free shipping"]},
        {"name": "Base", "min_points": 0, "multiplier": 1},
    ]
    program = await shop.program(tiers=tiers)
    assert program["tiers"] == [
        {"name": "Base", "min_points": 0, "multiplier": 1.0},
        {"name": "Gold", "min_points": 100, "multiplier": 2.0, "perks": ["Free shipping"]},
    ]


async def test_every_problem_has_a_page_for_a_person(shop: Shop) -> None:
    problem = (await shop.call("GET", "nope")).json
    page = await shop.page(problem["type"])
    assert page.status == 200
    assert problem["title"] in page.raw.decode()
    assert (await shop.page("/problems/nope")).status == 404


async def test_a_callers_request_id_is_returned_if_it_is_well_formed(shop: Shop) -> None:
    own = await shop.call("GET", "nope", headers={"X-Request-Id": "order-42/retry"})
    assert own.headers["X-Request-Id"] == own.json["instance"] == "order-42/retry"
    fresh = await shop.call("GET", "nope", headers={"X-Request-Id": "x" * 500})
    assert fresh.headers["X-Request-Id"].startswith("req_")


async def test_a_key_over_its_rate_is_429_and_another_is_not(shop: Shop) -> None:
    responses = await asyncio.gather(*(shop.call("GET", "nope/nope") for _ in range(5)))
    assert {response.status for response in responses} == {404}
    allowed: list[ApiResponse] = []
    refused: list[ApiResponse] = []
    # On a busy machine, 400 requests may take as long as the allowance for them.
    while not refused and len(allowed) < 4_000:
        responses = await asyncio.gather(
            *(shop.call("GET", "loyalty-programs") for _ in range(400))
        )
        assert {response.status for response in responses} <= {200, 429}
        refused += [response for response in responses if response.status == 429]
        allowed += [response for response in responses if response.status == 200]
    assert refused
    assert len(allowed) >= 150
    assert_problem(refused[0], 429, "rate_limited")
    assert int(refused[0].headers["Retry-After"]) >= 1
    assert refused[0].headers["RateLimit"]
    assert refused[0].headers["RateLimit-Policy"] == '"key";q=200;w=2'
    other = await shop.stack.key(shop.store_id)
    assert (await shop.call("GET", "loyalty-programs", key=other)).status == 200


async def test_a_revoked_key_is_refused_within_five_seconds(shop: Shop) -> None:
    key = await shop.stack.key(shop.store_id)
    assert (await shop.call("GET", "loyalty-programs", key=key)).status == 200
    output = shop.stack.run("key-revoke", "--key", key[:20]).stdout
    assert shop.store_id in output
    # Nothing else delays it, apart from a busy machine.
    assert authentication._CACHED_SECONDS < 5

    async def is_refused() -> bool:
        return (await shop.call("GET", "loyalty-programs", key=key)).status == 401

    await eventually(is_refused)
