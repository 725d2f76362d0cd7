"""What a service says of itself, and to whom."""

import asyncio
import json
from typing import Any

import pytest

from libs.web.app import create_app
from libs.web.health import Readiness

TOKEN = "t" * 40


def app(**checks: Any) -> Any:
    return create_app(routes=(), internal_token=TOKEN, checks=checks, background=(), state={})


async def get(target: Any, path: str, *, method: str = "GET", token: str = "") -> tuple[int, Any]:
    """The status and the JSON of a response."""
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"host", b"test")]
    if token:
        headers.append((b"authorization", f"Bearer {token}".encode()))
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": headers,
        "state": {},
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "scheme": "http",
        "client": None,
        "server": None,
    }
    await target(scope, receive, send)
    return sent[0]["status"], json.loads(b"".join(one.get("body", b"") for one in sent[1:]))


async def failing() -> None:
    raise ConnectionError("cannot reach 10.0.0.7:5432")


async def test_anyone_learns_that_it_is_not_ready_and_the_operator_learns_why() -> None:
    target = app(database=failing)
    assert await get(target, "/health/ready") == (503, {"status": "not ready"})
    assert await get(target, "/health/ready", token="x" * 40) == (503, {"status": "not ready"})
    assert await get(target, "/health/ready", token=TOKEN) == (
        503,
        {"status": "not ready", "failing": {"database": "cannot reach 10.0.0.7:5432"}},
    )
    assert await get(target, "/health/live") == (200, {"status": "live"})


async def test_nothing_is_said_of_paths_before_the_token_is_seen() -> None:
    target = app()
    assert (await get(target, "/nope"))[0] == 401
    assert (await get(target, "/nope", method="DELETE"))[0] == 401
    assert (await get(target, "/nope", token=TOKEN))[0] == 404
    assert (await get(target, "/health/nope"))[0] == 404
    assert (await get(target, "/health/live", method="DELETE"))[0] == 405


async def test_the_checks_run_once_a_second_however_many_ask() -> None:
    looks = 0

    async def slow() -> None:
        nonlocal looks
        looks += 1
        await asyncio.sleep(0.05)

    target = app(slow=slow)
    answers = await asyncio.gather(*(get(target, "/health/ready") for _ in range(50)))
    assert {status for status, _ in answers} == {200}
    await get(target, "/health/ready")
    assert looks == 1


async def test_readiness_is_looked_at_again_after_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("libs.web.health._FRESH_SECONDS", 0.05)
    broken = True

    async def sometimes() -> None:
        if broken:
            raise ConnectionError("unavailable")

    readiness = Readiness({"database": sometimes})
    assert await readiness.failures() == {"database": "unavailable"}
    broken = False
    await asyncio.sleep(0.1)
    assert await readiness.failures() == {}
