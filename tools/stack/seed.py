"""The demo store: its key, and the programme and rewards of the documentation's first examples."""

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
# In the order the documentation lists them, which is the order they are made in.
_REWARDS: Final[tuple[dict[str, Any], ...]] = (
    {
        "id": "rwd_001",
        "name": "10% Off Next Order",
        "points_cost": 1000,
        "type": "discount",
        "value": {"percent": 10},
    },
    {"id": "rwd_002", "name": "Free Shipping", "points_cost": 500, "type": "shipping"},
    {
        "id": "rwd_003",
        "name": "$25 Store Credit",
        "points_cost": 2500,
        "type": "credit",
        "value": {"amount": "25.00", "currency": "USD"},
    },
    {"id": "rwd_004", "name": "Exclusive Early Access", "points_cost": 5000, "type": "perk"},
)
_CONFLICT: Final = 409


async def demo_store(where: Addresses, secrets: Secrets) -> None:
    """Make the demo store with its key, programme and rewards; what is there already stays."""
    await keys(
        where,
        secrets,
        *("create", "--store", DEMO_STORE, "--scopes", _ALL_SCOPES),
        *("--name", "demo", "--key", DEMO_KEY),
    )
    await program(where, DEMO_KEY)
    await rewards(where, DEMO_KEY)


async def program(where: Addresses, key: str) -> None:
    """Give the key's store the programme, unless it has one."""
    async with _shop(where, key) as session:
        async with session.get("loyalty-programs") as answer:
            present = await answer.json()
        if present["total"] == 0:
            async with session.post("loyalty-programs", json=_PROGRAM):
                pass


async def rewards(where: Addresses, key: str) -> None:
    """Give the key's store the rewards; one whose id is or was in use is left as it is."""
    async with _shop(where, key) as session:
        for reward in _REWARDS:
            async with session.post(
                "loyalty/rewards", json=reward, raise_for_status=_raise_unless_taken
            ):
                pass


async def _raise_unless_taken(answer: aiohttp.ClientResponse) -> None:
    if answer.status != _CONFLICT:
        answer.raise_for_status()


def _shop(where: Addresses, key: str) -> aiohttp.ClientSession:
    """A session at the API of the key's store."""
    base = f"http://{LOOPBACK}:{where.http['gateway']}/v1/stores/me/"
    headers = {"Authorization": f"Bearer {key}"}
    return aiohttp.ClientSession(base, headers=headers, raise_for_status=True)


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
