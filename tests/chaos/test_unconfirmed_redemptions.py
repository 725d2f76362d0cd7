"""Redemptions whose debit only the ledger knows: neither a consumer nor a sweeper confirms them here,
unless a test starts one."""

import secrets
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import asyncpg
import msgspec
import pytest
from msgspec import Struct

from libs.testing.eventually import eventually
from tests.bench.servers import responds
from tests.chaos.alone import Process, end, healthy, start
from tests.chaos.redemption_caller import Caller, store_with_reward
from tests.redeeming import books_are_exact
from tests.support import Stack
from tools.stack import config
from tools.stack.config import free_port

LIST = "loyalty/redemptions"


class Running(Struct):
    """The ledger and two processes of redemption that only serve requests; the customer has points."""

    stack: Stack
    store: str
    caller: Caller
    ledger: Process
    settings: dict[str, Any]
    ports: dict[str, int]

    async def redeem(self, key: str = "") -> Any:
        """Redeem at the first process; the ledger has debited, and the row says reserved."""
        body = {"customer_id": "cust_1", "reward_id": "rwd_1"}
        status, response = await self.caller.send(
            self.ports["first"], "POST", "loyalty/redeem", body, key
        )
        assert status == 201, response
        redeemed = msgspec.json.decode(response)
        assert await self.status_in_table(redeemed["redemption_id"]) == "reserved"
        return redeemed

    async def status_in_table(self, redemption_id: str) -> str:
        connection = await asyncpg.connect(self.stack.database("redemption"))
        try:
            query = "SELECT status FROM redemptions WHERE 'rdm_' || id = $1"
            return str(await connection.fetchval(query, redemption_id))
        finally:
            await connection.close()

    async def read(self, path: str) -> Any:
        """Read at the second process, which has seen nothing of the redemption."""
        return await self.caller.get(self.ports["second"], path)

    async def step(self, path: str, body: object = None) -> tuple[int, Any]:
        """Use or cancel at the second process."""
        status, response = await self.caller.send(
            self.ports["second"], "POST", f"{LIST}/{path}", body
        )
        return status, msgspec.json.decode(response)

    async def start_ledger(self) -> None:
        port = str(self.ports["earning"])
        self.ledger = await start(self.stack, "earning", **self.settings, WHALE_HTTP_PORT=port)
        await live(self.ports["earning"])


async def live(port: int) -> None:
    await eventually(lambda: responds(f"http://127.0.0.1:{port}/health/live"))


@pytest.fixture
async def running(bare_stack: Stack) -> AsyncIterator[Running]:
    ports = {name: free_port() for name in ("earning", "first", "second")}
    settings: dict[str, Any] = {"WHALE_EARNING_URL": f"http://127.0.0.1:{ports['earning']}"}
    store = await store_with_reward(bare_stack, stock=100)
    processes = [
        healthy(
            bare_stack,
            "redemption",
            **settings,
            WHALE_ROLES="api",
            WHALE_HTTP_PORT=str(ports[name]),
        )
        for name in ("first", "second")
    ]
    port = str(ports["earning"])
    ledger = await start(bare_stack, "earning", **settings, WHALE_HTTP_PORT=port)
    async with processes[0], processes[1], aiohttp.ClientSession() as session:
        caller = Caller(bare_stack, store, session)
        fixture = Running(bare_stack, store, caller, ledger, settings, ports)
        for one in ports.values():
            await live(one)
        award = {"customer_id": "cust_1", "points": 50_000, "reason": "for the test"}
        status, _ = await caller.until_outcome(ports["earning"], "loyalty/earn", award)
        assert status == 201
        try:
            yield fixture
        finally:
            await end(fixture.ledger)


async def test_every_read_shows_a_debited_reservation_as_confirmed(running: Running) -> None:
    redeemed = await running.redeem()
    current = await running.read(f"{LIST}/{redeemed['redemption_id']}")
    expected = {
        "id": redeemed["redemption_id"],
        "customer_id": "cust_1",
        "reward": redeemed["reward"],
        "points": 500,
        "status": "confirmed",
        "code": redeemed["code"],
        "transaction_id": redeemed["id"],
        "created_at": current["created_at"],
    }
    assert current == expected
    count = 1
    for query in ("", "?status=confirmed", "?customer_id=cust_1", "?reward_id=rwd_1"):
        two = {(await running.redeem())["redemption_id"] for _ in range(2)}
        count += 2
        page = await running.read(LIST + query)
        assert (page["total"], {one["status"] for one in page["data"]}) == (count, {"confirmed"})
        assert {one["id"] for one in page["data"][:2]} == two
    await running.redeem()
    assert (await running.read(f"{LIST}?status=reserved"))["total"] == 0
    redeemed = await running.redeem()
    (listed,) = (await running.read(f"{LIST}?code={redeemed['code']}"))["data"]
    assert (listed["status"], listed["transaction_id"]) == ("confirmed", redeemed["id"])
    states = await books_are_exact(running.stack, running.store)
    assert states == {"confirmed": count + 2}


async def test_the_ledger_names_the_debits_of_the_store_alone(running: Running) -> None:
    redeemed = await running.redeem()
    token = config.stack_secrets(running.stack.home).internal_token
    question = {"redemption_ids": [redeemed["redemption_id"], "rdm_unknown"]}
    debit = {
        "redemption_id": redeemed["redemption_id"],
        "transaction_id": redeemed["id"],
        "balance_after": redeemed["balance_after"],
        "created_at": redeemed["created_at"],
    }
    headers = {"Authorization": f"Bearer {token}"}
    async with aiohttp.ClientSession(headers=headers, raise_for_status=True) as session:
        for store, debits in ((running.store, [debit]), ("store_other", [])):
            path = f"internal/stores/{store}/debit-checks"
            url = f"http://127.0.0.1:{running.ports['earning']}/{path}"
            async with session.post(url, json=question) as response:
                assert await response.json() == {"debits": debits}


async def test_a_debited_reservation_is_used_or_cancelled_immediately(running: Running) -> None:
    used = await running.redeem()
    status, response = await running.step(f"{used['redemption_id']}/use")
    assert (status, response["status"], response["code"]) == (200, "used", used["code"])
    by_code = await running.redeem()
    status, response = await running.step("use", {"code": by_code["code"]})
    assert (status, response["status"], response["id"]) == (200, "used", by_code["redemption_id"])
    cancelled = await running.redeem()
    status, response = await running.step(f"{cancelled['redemption_id']}/cancel")
    assert (status, response["status"]) == (200, "cancelled")
    assert await books_are_exact(running.stack, running.store) == {"used": 2, "cancelled": 1}


async def test_a_repeated_request_gets_the_same_bytes_before_and_after_the_confirmation(
    running: Running,
) -> None:
    key = secrets.token_hex(8)
    redeemed = await running.redeem(key)
    body = {"customer_id": "cust_1", "reward_id": "rwd_1"}
    request = ("POST", "loyalty/redeem", body, key)
    before = [await running.caller.send(running.ports["second"], *request) for _ in range(2)]
    assert await running.status_in_table(redeemed["redemption_id"]) == "reserved"
    await running.read(f"{LIST}/{redeemed['redemption_id']}")
    assert await running.status_in_table(redeemed["redemption_id"]) == "confirmed"
    after = await running.caller.send(running.ports["second"], *request)
    assert {*before, after} == {(201, msgspec.json.encode(redeemed))}
    assert await books_are_exact(running.stack, running.store) == {"confirmed": 1}


@pytest.mark.parametrize("role", ["consumers", "sweeper"])
async def test_the_event_or_the_sweeper_confirms_what_nobody_reads(
    running: Running, role: str
) -> None:
    ids = [(await running.redeem())["redemption_id"] for _ in range(3)]
    async with healthy(running.stack, "redemption", **running.settings, WHALE_ROLES=role):

        async def confirmed() -> None:
            assert {await running.status_in_table(one) for one in ids} == {"confirmed"}

        await eventually(confirmed)
    assert await books_are_exact(running.stack, running.store) == {"confirmed": 3}


async def test_without_the_ledger_a_reservation_is_in_progress(running: Running) -> None:
    """Only the ledger knows which of the two it debited."""
    debited = await running.redeem()
    await end(running.ledger)
    body = {"customer_id": "cust_1", "reward_id": "rwd_1"}
    status, _ = await running.caller.send(running.ports["first"], "POST", "loyalty/redeem", body)
    assert status == 503
    page = await running.read(LIST)
    assert [one["status"] for one in page["data"]] == ["reserved", "reserved"]
    assert not any("code" in one for one in page["data"])
    one, other = (f"{redemption['id']}" for redemption in page["data"])
    assert other == debited["redemption_id"]
    assert (await running.read(f"{LIST}/{other}"))["status"] == "reserved"
    for step in ("use", "cancel"):
        assert (await running.step(f"{other}/{step}"))[0] == 503
    await running.start_ledger()
    assert (await running.read(f"{LIST}?status=reserved"))["total"] == 1
    assert (await running.read(f"{LIST}/{one}"))["status"] == "reserved"
    for step in ("use", "cancel"):
        status, response = await running.step(f"{one}/{step}")
        assert (status, response["code"]) == (409, "conflict")
    assert (await running.step(f"{other}/use"))[0] == 200
    # Asking has decided nothing: only the sweeper does, once the reservation is old enough.
    assert await running.status_in_table(one) == "reserved"
    async with healthy(running.stack, "redemption", **running.settings, WHALE_ROLES="sweeper"):

        async def released() -> None:
            assert await running.status_in_table(one) == "released"

        await eventually(released)
    assert await books_are_exact(running.stack, running.store) == {"used": 1, "released": 1}
