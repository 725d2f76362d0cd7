"""Calls of redemption and earning without a gateway, and a store to redeem in."""

import asyncio
import secrets
import time
from typing import Any

import aiohttp
import msgspec

from libs.contracts.events import RewardChanged
from libs.persistence.engine import create_engine, transaction
from services.redemption.store import rewards
from tests.chaos.alone import new_store
from tests.support import Stack
from tools.stack import config


async def store_with_reward(stack: Stack, *, stock: int) -> str:
    """A store with a program and the reward rwd_1, which costs 500 points."""
    store_id = await new_store(stack)
    engine = create_engine(stack.database("redemption"), name="test", connections=1)
    reward = RewardChanged(
        store_id=store_id,
        id="rwd_1",
        version=1,
        name="Free Shipping",
        points_cost=500,
        type="shipping",
        is_active=True,
        created_at="2026-03-10T12:00:00.000Z",
        stock=stock,
    )
    async with transaction(engine) as connection:
        await rewards.write(connection, [reward])
    await engine.dispose()
    return store_id


class Caller:
    """Calls services as the gateway does, again with the same key until there is an outcome."""

    def __init__(self, stack: Stack, store_id: str, session: aiohttp.ClientSession) -> None:
        token = config.stack_secrets(stack.home).internal_token
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        self._store = store_id
        self._session = session

    async def until_outcome(self, port: int, path: str, body: object) -> tuple[int, object]:
        """The outcome of a write; the request is repeated while the service is unavailable."""
        headers = self._headers | {"Idempotency-Key": secrets.token_hex(8)}
        url = f"http://127.0.0.1:{port}/v1/stores/{self._store}/{path}"
        until = time.monotonic() + 60
        while time.monotonic() < until:
            try:
                async with self._session.post(url, json=body, headers=headers) as response:
                    if response.status != 503:
                        return response.status, await response.json(content_type=None)
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.2)
        raise AssertionError(f"no outcome of {path}")

    async def send(
        self, port: int, method: str, path: str, body: object = None, key: str = ""
    ) -> tuple[int, bytes]:
        """The response to one request: status and body."""
        headers = self._headers | ({"Idempotency-Key": key} if key else {})
        url = f"http://127.0.0.1:{port}/v1/stores/{self._store}/{path}"
        async with self._session.request(method, url, json=body, headers=headers) as response:
            return response.status, await response.read()

    async def get(self, port: int, path: str) -> Any:
        """The content of a response to a read."""
        status, body = await self.send(port, "GET", path)
        assert status == 200, body
        return msgspec.json.decode(body)
