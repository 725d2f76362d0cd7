"""The demo store: its key, and the programme of the documentation's first example."""

import asyncio
import os
import subprocess
import sys
from typing import Any, Final

import aiohttp

from tools.stack import services
from tools.stack.config import DEMO_KEY, DEMO_STORE, LOOPBACK, ROOT, Secrets
from tools.stack.errors import StackError
from tools.stack.services import Addresses

_ALL_SCOPES: Final = "read,earn,redeem,manage,admin"
_PROGRAM: Final[dict[str, Any]] = {
    "name": "VIP Rewards",
    "points_per_dollar": 10,
    "tiers": [
        {"name": "Bronze", "min_points": 0, "multiplier": 1.0},
        {"name": "Silver", "min_points": 5000, "multiplier": 1.5},
        {"name": "Gold", "min_points": 15000, "multiplier": 2.0},
        {"name": "Platinum", "min_points": 50000, "multiplier": 3.0},
    ],
}


async def demo_store(where: Addresses, secrets: Secrets) -> None:
    """Make the demo store with its key and programme; what is there already stays."""
    await keys(
        where,
        secrets,
        *("create", "--store", DEMO_STORE, "--scopes", _ALL_SCOPES),
        *("--name", "demo", "--key", DEMO_KEY),
    )
    await program(where, DEMO_KEY)


async def program(where: Addresses, key: str) -> None:
    """Give the key's store the programme, unless it has one."""
    url = f"http://{LOOPBACK}:{where.http['gateway']}/v1/stores/me/loyalty-programs"
    headers = {"Authorization": f"Bearer {key}"}
    async with aiohttp.ClientSession(headers=headers, raise_for_status=True) as session:
        async with session.get(url) as answer:
            present = await answer.json()
        if present["total"] == 0:
            async with session.post(url, json=_PROGRAM):
                pass


async def keys(where: Addresses, secrets: Secrets, *words: str) -> str:
    """Run the gateway's key administration; answers what it printed, raises StackError."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.gateway.keys", *words),
        cwd=ROOT,
        env={**os.environ, **services.environment("gateway", where, secrets)},
        stdout=asyncio.subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    if process.returncode:
        raise StackError(said.decode().strip())
    return said.decode().strip()
