"""A process that is told to stop: what its callers see, in order."""

import asyncio
import http.client
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from libs.testing.eventually import eventually
from tools.stack.config import free_port

ROOT = Path(__file__).parents[3]
STOPPING = b'{"status":"not ready","failing":{"process":"stopping"}}'


@contextmanager
def served(*words: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.unit.web.stoppable", str(port), *words], cwd=ROOT
    )
    try:
        yield process, port
    finally:
        process.kill()
        process.wait()


async def connected(port: int) -> http.client.HTTPConnection:
    """A kept connection that has had a response."""

    def get() -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        connection.request("GET", "/health/ready")
        response = connection.getresponse()
        assert (response.status, response.read()) == (200, b"ok")
        assert response.getheader("Connection") is None
        return connection

    return await eventually(get, within_seconds=60)


async def gone(process: subprocess.Popen[bytes]) -> int:
    return await asyncio.to_thread(process.wait, 30)


@pytest.mark.parametrize(
    ("path", "last"),
    [
        pytest.param("/", (200, b"ok"), id="a request"),
        pytest.param("/health/ready", (503, STOPPING), id="readiness"),
    ],
)
async def test_a_kept_connection_gets_a_last_response_and_no_new_one_is_taken(
    path: str, last: tuple[int, bytes]
) -> None:
    with served() as (process, port):
        connection = await connected(port)
        process.terminate()
        while True:
            connection.request("GET", path)
            response = connection.getresponse()
            seen = (response.status, response.read())
            if response.getheader("Connection") == "close":
                break
            assert seen == (200, b"ok")
        assert seen == last
        connection.close()
        with pytest.raises(ConnectionRefusedError):
            http.client.HTTPConnection("127.0.0.1", port).connect()
        assert await gone(process) == -signal.SIGTERM


async def test_what_runs_is_finished() -> None:
    with served() as (process, port):
        connection = await connected(port)
        connection.request("GET", "/slow")
        await asyncio.sleep(0.3)
        process.terminate()
        response = await asyncio.to_thread(connection.getresponse)
        assert (response.status, response.read()) == (200, b"ok")
        connection.close()
        assert await gone(process) == -signal.SIGTERM


async def test_idle_connections_do_not_keep_it() -> None:
    with served() as (process, port):
        connection = await connected(port)
        started = time.monotonic()
        process.terminate()
        await gone(process)
        assert time.monotonic() - started < 8
        connection.close()


@pytest.mark.timeout(90)
async def test_whatever_hangs_it_is_gone_within_15_seconds() -> None:
    with served("hangs") as (process, port):
        (await connected(port)).close()
        started = time.monotonic()
        process.terminate()
        assert await gone(process) == 1
        assert time.monotonic() - started < 16
