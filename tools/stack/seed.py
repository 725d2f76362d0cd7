"""The demo store: its key, and the program and rewards of the documentation's first examples."""

import asyncio
import os
import subprocess
import sys
from typing import Any, Final

import aiohttp

from tools.stack import services
from tools.stack.config import DEMO_KEY, DEMO_STORE, ROOT, Secrets
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
# In the documentation's order, which is the order of their creation.
REWARDS: Final[tuple[dict[str, Any], ...]] = (
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


async def create_demo_store(addresses: Addresses, secrets: Secrets) -> None:
    """Create the demo store with its key, program and rewards; existing ones stay unchanged."""
    await run_key_command(
        addresses,
        secrets,
        *("create", "--store", DEMO_STORE, "--scopes", _ALL_SCOPES),
        *("--name", "demo", "--key", DEMO_KEY),
    )
    await create_program(addresses, DEMO_KEY)
    await _create_rewards(addresses, DEMO_KEY)


async def create_program(addresses: Addresses, key: str) -> None:
    """Create the program in the key's store, unless the store has one."""
    async with api_session(addresses, key) as session:
        async with session.get("loyalty-programs") as response:
            programs = await response.json()
        if programs["total"] == 0:
            async with session.post("loyalty-programs", json=_PROGRAM):
                pass


async def _create_rewards(addresses: Addresses, key: str) -> None:
    """Create the rewards in the key's store, except those whose id is or was in use."""
    async with api_session(addresses, key) as session:
        for reward in REWARDS:
            async with session.post(
                "loyalty/rewards", json=reward, raise_for_status=_raise_unless_conflict
            ):
                pass


async def _raise_unless_conflict(response: aiohttp.ClientResponse) -> None:
    if response.status != _CONFLICT:
        response.raise_for_status()


def api_session(addresses: Addresses, key: str) -> aiohttp.ClientSession:
    """A session for the API of the key's store."""
    base = f"{addresses.urls['gateway']}/v1/stores/me/"
    headers = {"Authorization": f"Bearer {key}"}
    return aiohttp.ClientSession(base, headers=headers, raise_for_status=True)


async def run_key_command(addresses: Addresses, secrets: Secrets, *arguments: str) -> str:
    """Run the gateway's key administration; returns its output, raises StackError."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.gateway.keys", *arguments),
        cwd=ROOT,
        env={**os.environ, **services.connections("gateway", addresses, secrets)},
        stdout=asyncio.subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    if process.returncode:
        raise StackError(output.decode().strip())
    return output.decode().strip()
