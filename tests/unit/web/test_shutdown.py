"""A graceful shutdown as callers see it, in order."""

import asyncio
import http.client
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from libs.testing.eventually import eventually
from libs.web import shutdown
from tools.stack.config import free_port

ROOT = Path(__file__).parents[3]
STOPPING = b'{"status":"not ready","failing":{"process":"stopping"}}'


@contextmanager
def serving(*arguments: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.unit.web.stoppable", str(port), *arguments], cwd=ROOT
    )
    try:
        yield process, port
    finally:
        process.kill()
        process.wait()


async def connect(port: int) -> http.client.HTTPConnection:
    """A kept-alive connection that has received a response."""

    def get() -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        connection.request("GET", "/health/ready")
        response = connection.getresponse()
        assert (response.status, response.read()) == (200, b"ok")
        assert response.getheader("Connection") is None
        return connection

    return await eventually(get, within_seconds=90)


async def exit_code(process: subprocess.Popen[bytes]) -> int:
    return await asyncio.to_thread(process.wait, 60)


@pytest.mark.parametrize(
    ("path", "last_response"),
    [
        pytest.param("/", (200, b"ok"), id="a request"),
        pytest.param("/health/ready", (503, STOPPING), id="readiness"),
    ],
)
async def test_an_open_connection_gets_a_last_response_and_no_new_one_is_accepted(
    path: str, last_response: tuple[int, bytes]
) -> None:
    # A caller that the machine holds up for a while still sends its last request in time.
    with serving("_LAST_REQUEST_SECONDS=20", "_STOP_SECONDS=60") as (process, port):
        connection = await connect(port)
        process.terminate()
        while True:
            connection.request("GET", path)
            response = connection.getresponse()
            received = (response.status, response.read())
            if response.getheader("Connection") == "close":
                break
            assert received == (200, b"ok")
        assert received == last_response
        connection.close()
        with pytest.raises(ConnectionRefusedError):
            http.client.HTTPConnection("127.0.0.1", port).connect()
        assert await exit_code(process) == -signal.SIGTERM


async def test_a_request_in_progress_finishes() -> None:
    with serving() as (process, port):
        connection = await connect(port)
        connection.request("GET", "/slow")
        await asyncio.sleep(0.3)
        process.terminate()
        response = await asyncio.to_thread(connection.getresponse)
        assert (response.status, response.read()) == (200, b"ok")
        connection.close()
        assert await exit_code(process) == -signal.SIGTERM


async def test_idle_connections_do_not_delay_the_exit() -> None:
    # Where they did, the exit would come when the time for requests in progress is over.
    with serving("GRACE_SECONDS=600", "_STOP_SECONDS=900") as (process, port):
        connection = await connect(port)
        process.terminate()
        assert await exit_code(process) == -signal.SIGTERM
        connection.close()


async def test_a_shutdown_that_hangs_ends_within_15_seconds() -> None:
    assert shutdown._STOP_SECONDS < 15
    with serving("hangs", "_STOP_SECONDS=5") as (process, port):
        (await connect(port)).close()
        process.terminate()
        assert await exit_code(process) == 1
