"""Liveness and readiness, and which callers get the reasons."""

import asyncio
import json
from typing import Any

import pytest

from libs.contracts.internal import GroupProgress, MessagingProgress
from libs.persistence.errors import is_transient
from libs.web.app import create_app
from libs.web.health import Readiness

TOKEN = "t" * 40


async def read_progress() -> MessagingProgress:
    group = GroupProgress(name="earning", seconds_behind=1.5, stopped=False)
    return MessagingProgress(groups=[group], unpublished_seconds=0.0)


def app(**checks: Any) -> Any:
    return create_app(
        routes=(),
        internal_token=TOKEN,
        checks=checks,
        progress=read_progress,
        background=(),
        state={},
        is_transient=is_transient,
    )


async def get(target: Any, path: str, *, method: str = "GET", token: str = "") -> tuple[int, Any]:
    """The response's status and JSON."""
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
    return sent[0]["status"], json.loads(b"".join(message.get("body", b"") for message in sent[1:]))


async def failing() -> None:
    raise ConnectionError("cannot reach 10.0.0.7:5432")


async def test_readiness_is_public_and_its_reasons_need_the_token() -> None:
    target = app(database=failing)
    assert await get(target, "/health/ready") == (503, {"status": "not ready"})
    assert await get(target, "/health/ready", token="x" * 40) == (503, {"status": "not ready"})
    assert await get(target, "/health/ready", token=TOKEN) == (
        503,
        {"status": "not ready", "failing": {"database": "cannot reach 10.0.0.7:5432"}},
    )
    assert await get(target, "/health/live") == (200, {"status": "live"})


async def test_paths_are_revealed_only_with_the_token() -> None:
    target = app()
    assert (await get(target, "/nope"))[0] == 401
    assert (await get(target, "/nope", method="DELETE"))[0] == 401
    assert (await get(target, "/nope", token=TOKEN))[0] == 404
    assert (await get(target, "/health/nope"))[0] == 404
    assert (await get(target, "/health/live", method="DELETE"))[0] == 405


async def test_the_checks_run_once_for_all_callers_while_their_result_is_fresh(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("libs.web.health._FRESH_SECONDS", 600.0)
    runs = 0

    async def slow() -> None:
        nonlocal runs
        runs += 1
        await asyncio.sleep(0.05)

    target = app(slow=slow)
    responses = await asyncio.gather(*(get(target, "/health/ready") for _ in range(50)))
    assert {status for status, _ in responses} == {200}
    await get(target, "/health/ready")
    assert runs == 1


async def test_the_checks_run_again_once_their_result_is_not_fresh(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("libs.web.health._FRESH_SECONDS", 0.05)
    broken = True

    async def fail_while_broken() -> None:
        if broken:
            raise ConnectionError("unavailable")

    readiness = Readiness({"database": fail_while_broken})
    assert await readiness.find_failures() == {"database": "unavailable"}
    broken = False
    await asyncio.sleep(0.1)
    assert await readiness.find_failures() == {}


async def test_only_callers_with_the_internal_token_get_the_progress() -> None:
    async def fail() -> None:
        raise ConnectionError("db-7.internal is unavailable")

    target = app(database=fail)
    assert (await get(target, "/internal/progress"))[0] == 401
    status, content = await get(target, "/internal/progress", token=TOKEN)
    group = {"name": "earning", "seconds_behind": 1.5, "stopped": False}
    assert (status, content) == (
        200,
        {"failing": ["database"], "messaging": {"groups": [group], "unpublished_seconds": 0.0}},
    )
