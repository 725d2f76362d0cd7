"""Backup and restore of docker-compose.yml under load, by the commands of the runbook."""

import asyncio
import json
from pathlib import Path
from typing import Any, Final

import aiohttp
import pytest
from msgspec import Struct

from libs.testing.eventually import eventually
from tests.chaos import runbook
from tests.containers.compose import POINTS, SERVERS, Compose, Load, Store, points_outstanding

pytestmark = [pytest.mark.long, pytest.mark.timeout(1_200)]

RUNBOOK: Final = Path("docs/runbooks/backup-and-restore.md")
LOST: Final = "/var/lib/whale/lost.jsonl"
AWARD: Final[dict[str, Any]] = {"customer_id": "cust_1", "points": 7, "reason": "manual"}


class Disaster(Struct, frozen=True, kw_only=True):
    """What was true when the server was lost: `instant` is what it is restored to, `promised` are the
    transactions before it, `issued` all of them, `award` is the one before it."""

    instant: str
    promised: frozenset[str]
    issued: frozenset[str]
    award: str


async def test_everything_is_restored_to_one_instant(
    compose: Compose, store: Store, api: aiohttp.ClientSession
) -> None:
    """Nothing that was committed before the instant is lost, no order is lost at all, and what was
    lost is in the list of lost events."""
    await asyncio.to_thread(_run_commands, compose, "Archive the WAL")
    await asyncio.to_thread(compose.run, "restart", "postgres")
    load = Load(compose, store)
    disaster = await _work_until_disaster(compose, load, api)
    await asyncio.to_thread(_restore, compose, disaster)
    restored = _entries(compose)
    lost = disaster.issued - restored
    assert disaster.promised <= restored < disaster.issued
    assert _rewind(compose, disaster) == lost
    await asyncio.to_thread(compose.up)
    await _books_become(api, POINTS * load.orders + AWARD["points"])
    assert await _award(api, "before") == disaster.award
    assert await _award(api, "after") not in disaster.issued
    final = _entries(compose)
    assert restored <= final
    assert lost.isdisjoint(final)
    assert "every balance follows from its entries" in compose.tools("verify")
    print(f"{len(disaster.issued):,} transactions, {len(lost):,} lost; {load.orders:,} orders")


async def _work_until_disaster(
    compose: Compose, load: Load, api: aiohttp.ClientSession
) -> Disaster:
    award = await eventually(lambda: _award(api, "before"), within_seconds=60)
    stop = asyncio.Event()
    publishing = asyncio.create_task(load.publish(stop))
    try:
        await asyncio.to_thread(_run_commands, compose, "Take a base backup")
        await asyncio.sleep(3)
        promised = _entries(compose)
        instant = compose.query("postgres", "SELECT to_json(clock_timestamp())").strip('"')
        await _award(api, "after")
        await asyncio.sleep(3)
    finally:
        stop.set()
        await publishing
    await _books_become(api, POINTS * load.orders + 2 * AWARD["points"])
    segment = compose.query("postgres", "SELECT pg_walfile_name(pg_switch_wal())")

    def is_archived() -> bool:
        last = "SELECT last_archived_wal FROM pg_stat_archiver"
        return compose.query("postgres", last) >= segment

    await eventually(is_archived, within_seconds=60, every=1)
    return Disaster(instant=instant, promised=promised, issued=_entries(compose), award=award)


def _restore(compose: Compose, disaster: Disaster) -> None:
    """Steps 2 and 3 of the runbook."""
    compose.run("stop")
    heading = "2. Stop everything, and restore PostgreSQL"
    _run_commands(compose, heading, instant=disaster.instant, is_running=False)
    compose.run("up", "--detach", "--wait", "--no-deps", *SERVERS)


def _rewind(compose: Compose, disaster: Disaster) -> set[str]:
    """Set the consumers back; returns the transactions that the command reports as lost."""
    compose.tools("rewind", "--to", disaster.instant, "--lost", LOST)
    printed = compose.run(
        *("run", "--rm", "--no-deps", "--no-TTY", "--entrypoint", "cat", "tools", LOST)
    )
    events = map(json.loads, printed.splitlines())
    return {event["transaction_id"] for event in events if "transaction_id" in event}


def _run_commands(
    compose: Compose, heading: str, *, instant: str = "", is_running: bool = True
) -> None:
    """Run the commands under a heading of the runbook in PostgreSQL's container."""
    variables = f"INSTANT={instant}\n{runbook.commands(RUNBOOK, 'In containers')}"
    shell = ["-euo", "pipefail", "-c", variables + runbook.commands(RUNBOOK, heading)]
    if is_running:
        compose.run("exec", "--no-TTY", "postgres", "bash", *shell)
    else:
        one_off = ("run", "--rm", "--no-deps", "--no-TTY", "--entrypoint", "bash", "postgres")
        compose.run(*one_off, *shell)


def _entries(compose: Compose) -> frozenset[str]:
    """The ids of all transactions of the ledger."""
    return frozenset(compose.query("earning", "SELECT 'txn_' || id FROM entries").split())


async def _award(api: aiohttp.ClientSession, key: str) -> str:
    """The transaction of an award with this idempotency key."""
    async with api.post("loyalty/earn", json=AWARD, headers={"Idempotency-Key": key}) as response:
        transaction: dict[str, Any] = await response.json()
        return str(transaction["id"])


async def _books_become(api: aiohttp.ClientSession, points: int) -> None:
    async def are_exact() -> None:
        assert await points_outstanding(api) == points

    await eventually(are_exact, within_seconds=120, every=1)
