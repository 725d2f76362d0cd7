"""One project of containers for all tests of this folder, and a store for each file."""

import secrets
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator

import aiohttp
import pytest

from tests.containers.compose import Compose, Store

_PROGRAM = {
    "name": "One tier",
    "points_per_dollar": 10,
    "tiers": [{"name": "Bronze", "min_points": 0, "multiplier": 1.0}],
}


def _engine_is_missing() -> str | None:
    """Why there is no engine to test with."""
    if shutil.which("docker") is None:
        return "there is no docker command"
    for command in ("info", "compose version"):
        outcome = subprocess.run(
            ["docker", *command.split()], capture_output=True, text=True, timeout=20, check=False
        )
        if outcome.returncode:
            return f"docker {command} fails: {outcome.stderr.strip()[:200]}"
    return None


@pytest.fixture(scope="session")
def compose() -> Iterator[Compose]:
    if (reason := _engine_is_missing()) is not None:
        pytest.skip(f"needs a Docker engine: {reason}")
    running = Compose()
    try:
        running.run("build")
        running.up()
        yield running
    finally:
        running.run("down", "--volumes", "--timeout", "20")


@pytest.fixture(scope="module")
def store(compose: Compose) -> Store:
    """A new store, with the key that `make key` prints."""
    store_id = f"store_{secrets.token_hex(5)}"
    return Store(store_id, compose.new_key(store_id))


@pytest.fixture
async def api(compose: Compose, store: Store) -> AsyncIterator[aiohttp.ClientSession]:
    """The store's session; the store has a program of ten points per dollar."""
    async with store.session(compose) as session:
        async with session.get("loyalty-programs") as response:
            if (await response.json())["total"] == 0:
                await session.post("loyalty-programs", json=_PROGRAM)
        yield session
