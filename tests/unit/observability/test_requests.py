"""The log lines of responses from 400 on, and the bound on those of unauthenticated clients."""

import io
import json
import logging
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from libs.observability import logging as logs
from libs.observability import metrics, requests
from libs.observability.requests import Quota, log_response


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """What is logged, configured as in a service; the root logger is restored afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    output = io.StringIO()
    monkeypatch.setattr(requests, "_unauthenticated", Quota(per_second=10))
    monkeypatch.setattr(sys, "stdout", output)
    logs.configure(service="gateway", level="info")
    yield output
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)


def lines_in(log: io.StringIO) -> list[Any]:
    """The lines since the last call."""
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    log.seek(0)
    log.truncate()
    return lines


def refuse(number: int, **changes: Any) -> None:
    fields: dict[str, Any] = {
        "request_id": f"req_{number}",
        "method": "POST",
        "route": "/v1/stores/{store_id}/loyalty/earn",
        "status": 409,
        "code": "program_inactive",
        "seconds": 0.01234,
    }
    log_response(**fields | changes)


def not_logged() -> float:
    return metrics.RESPONSES_NOT_LOGGED._value.get()


def test_a_line_has_what_identifies_the_request_and_its_outcome(log: io.StringIO) -> None:
    refuse(1, store_id="store_1", key_name="backend")
    (line,) = lines_in(log)
    assert line["timestamp"]
    assert {name: line[name] for name in ("service", "event", "level")} == {
        "service": "gateway",
        "event": "response",
        "level": "info",
    }
    fields = ("request_id", "store_id", "key_name", "method", "route", "status", "code", "ms")
    assert [line[field] for field in fields] == [
        *("req_1", "store_1", "backend", "POST", "/v1/stores/{store_id}/loyalty/earn"),
        *(409, "program_inactive", 12.3),
    ]


def test_a_fault_of_the_system_is_a_warning(log: io.StringIO) -> None:
    refuse(1, store_id="store_1", key_name="backend", status=503)
    (line,) = lines_in(log)
    assert line["level"] == "warning"


def test_only_ten_lines_a_second_are_of_unauthenticated_clients_and_the_rest_is_counted(
    log: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1_000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    before = not_logged()
    for number in range(25):
        refuse(number)
    refuse(25, store_id="store_1", key_name="backend")
    assert [line["request_id"] for line in lines_in(log)] == [f"req_{n}" for n in (*range(10), 25)]
    assert not_logged() - before == 15
    now += 1.0
    refuse(26)
    assert [line["request_id"] for line in lines_in(log)] == ["req_26"]
