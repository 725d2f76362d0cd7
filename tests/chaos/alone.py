"""Servers without services, and services that a test starts, kills and starts again."""

import asyncio
import contextlib
import secrets
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg

from tests.support import ROOT, Stack
from tools.stack import config, services
from tools.stack.config import free_port

PROGRAM = """
WITH p AS (
    INSERT INTO programs (id, store_id, version_id, created_at)
    VALUES (gen_random_uuid(), $1, 0, now()) RETURNING id
), v AS (
    INSERT INTO program_versions (program_id, version, name, points_per_dollar, currency, is_active,
                                  tiers, created_at)
    SELECT id, 1, 'Club', 10, 'USD', true, '[]', now() FROM p RETURNING id, program_id
)
SELECT id, program_id FROM v
"""


async def new_store(stack: Stack) -> str:
    """A store with a program of ten points a dollar."""
    return await new_store_at(stack.database("earning", owner=True))


async def new_store_at(url: str) -> str:
    """The same in the database of earning at `url`."""
    store_id = f"store_{secrets.token_hex(5)}"
    connection = await asyncpg.connect(url)
    row = await connection.fetchrow(PROGRAM, store_id)
    assert row is not None
    version, program = row
    await connection.execute("UPDATE programs SET version_id = $1 WHERE id = $2", version, program)
    await connection.close()
    return store_id


async def start(
    stack: Stack,
    service: str = "earning",
    *,
    dying: tuple[str, str, str] | None = None,
    root: Path = ROOT,
    **settings: Any,
) -> asyncio.subprocess.Process:
    """A process of a service; or one that kills itself: in a group, at a point, the nth time. `root`
    is the code that it runs."""
    environment = services.environment(service, stack.addresses, config.stack_secrets(stack.home))
    environment |= {"WHALE_HTTP_PORT": str(free_port()), "WHALE_METRICS_PORT": "0"} | settings
    module = (f"services.{service}",) if dying is None else ("tests.chaos.killable", *dying)
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", *module),
        cwd=root,
        env=stack.environment | environment | {"PYTHONPATH": str(root)},
        stdout=asyncio.subprocess.DEVNULL,
    )


@contextlib.asynccontextmanager
async def healthy(
    stack: Stack, service: str = "earning", **settings: Any
) -> AsyncIterator[asyncio.subprocess.Process]:
    """A process that nobody kills before the end."""
    process = await start(stack, service, **settings)
    try:
        yield process
    finally:
        await end(process)


async def dies(process: asyncio.subprocess.Process, *, within_seconds: float = 60) -> None:
    """Wait until such a process has killed itself; it never outlives the test."""
    try:
        await asyncio.wait_for(process.wait(), within_seconds)
    finally:
        await end(process)
    assert process.returncode == -signal.SIGKILL


async def end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
        await process.wait()
