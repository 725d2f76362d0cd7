"""Backup and restore under load, by the commands of the runbook."""

import asyncio
import contextlib
import getpass
import json
import os
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import aiohttp
import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer
from msgspec import Struct

from libs.contracts.topics import POINTS_ADJUSTED, POINTS_EARNED, POINTS_REDEEMED
from libs.testing.eventually import eventually
from tests.chaos import runbook
from tests.chaos.alone import new_store
from tests.chaos.busy_store import BusyStore, Databases
from tests.chaos.fleet import Fleet, give_reward, running
from tests.support import Stack
from tools.stack import config, postgres, services, unprivileged

RUNBOOK: Final = Path("docs/runbooks/backup-and-restore.md")
AWARD: Final = {"customer_id": "cust_1", "points": 7, "reason": "manual"}


class Disaster(Struct, frozen=True, kw_only=True):
    """What was true when the server was lost: `instant` is what it is restored to, `promised` are the
    transactions that were acknowledged before it, `issued` all of them. `response` is that of an
    award before the instant."""

    instant: datetime
    promised: frozenset[str]
    issued: frozenset[str]
    response: Any

    @property
    def instant_text(self) -> str:
        return self.instant.isoformat()


@pytest.mark.long
@pytest.mark.timeout(900)
async def test_everything_is_restored_to_one_instant(own_bare_stack: Stack, tmp_path: Path) -> None:
    """Nothing that was committed before the instant is lost, no order is lost at all, no transaction
    id is issued twice, and no service counts what the ledger lost."""
    environment = _runbook_environment(own_bare_stack)
    await runbook.run(RUNBOOK, "Archive the WAL", environment)
    own_bare_stack.run("restart", "postgres")
    store_id = await new_store(own_bare_stack)
    store = BusyStore(own_bare_stack, store_id, await own_bare_stack.key(store_id))
    databases = Databases(own_bare_stack, store_id)
    disaster = await _work_until_disaster(store, databases, environment)
    own_bare_stack.down()
    with _measuring("the restore"):
        await runbook.run(
            RUNBOOK,
            "2. Stop everything, and restore PostgreSQL",
            environment | {"INSTANT": disaster.instant_text},
        )
        own_bare_stack.up()
    restored = frozenset(await databases.entries())
    lost = disaster.issued - restored
    assert disaster.promised <= restored < disaster.issued
    assert _rewind(own_bare_stack, disaster, tmp_path / "lost.jsonl") == lost
    await _work_again(store, databases, disaster)
    assert own_bare_stack.run("verify").returncode == 0
    final = await databases.entries()
    assert restored <= final.keys()
    assert lost.isdisjoint(final)
    assert await databases.order_states() == {"counted": store.orders}
    await _no_id_was_issued_twice(own_bare_stack)
    print(f"{len(disaster.issued):,} transactions, {len(lost):,} lost; {store.orders:,} orders")


async def _work_until_disaster(
    store: BusyStore, databases: Databases, environment: Mapping[str, str]
) -> Disaster:
    async with _using(store) as (fleet, session):
        await give_reward(fleet.gateways[0], session, store.key)
        caller = store.new_caller(fleet, session)
        response = await caller.send("POST", "loyalty/earn", AWARD, "before")
        async with store.load(fleet, session):
            await asyncio.sleep(2)
            with _measuring("the base backup"):
                await runbook.run(RUNBOOK, "Take a base backup", environment)
            await asyncio.sleep(3)
            await eventually(databases.have_resolutions, every=0.5)
            promised = frozenset(store.acknowledged)
            instant = await databases.now()
            await caller.send("POST", "loyalty/earn", AWARD, "after")
            await asyncio.sleep(4)
        await eventually(databases.are_settled, every=0.5)
        await databases.agree()
        await _archive_everything(store.stack)
        return Disaster(
            instant=instant,
            promised=promised,
            issued=frozenset(await databases.entries()),
            response=response[2],
        )


def _rewind(stack: Stack, disaster: Disaster, lost_events: Path) -> set[str]:
    """Set the consumers back; returns the transactions that the command reports as lost."""
    command = ("rewind", "--to", disaster.instant_text, "--lost", str(lost_events))
    outcome = stack.run(*command, check=False)
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    print(outcome.stdout)
    events = map(json.loads, lost_events.read_text().splitlines())
    return {event["transaction_id"] for event in events if "transaction_id" in event}


async def _work_again(store: BusyStore, databases: Databases, disaster: Disaster) -> None:
    """Consume what the databases lack. A repeated award takes effect if its first effect was lost,
    and only then."""
    async with _using(store) as (fleet, session):
        command = ("rewind", "--to", disaster.instant_text)
        refused = store.stack.run(*command, check=False)
        assert refused.stderr.startswith("The services still run (anomaly, catalog.points, ")
        with _measuring("consuming"):
            await eventually(databases.are_settled, every=0.5)
        caller = store.new_caller(fleet, session)
        before = await caller.send("POST", "loyalty/earn", AWARD, "before")
        after = await caller.send("POST", "loyalty/earn", AWARD, "after")
        assert before[2] == disaster.response
        assert after[2]["id"] not in disaster.issued
        async with store.load(fleet, session):
            await asyncio.sleep(2)
        await eventually(databases.are_settled, every=0.5)
        await databases.agree()


@contextlib.asynccontextmanager
async def _using(store: BusyStore) -> AsyncIterator[tuple[Fleet, aiohttp.ClientSession]]:
    async with running(store.stack) as fleet, aiohttp.ClientSession() as session:
        yield fleet, session


@contextlib.contextmanager
def _measuring(what: str) -> Iterator[None]:
    started = time.monotonic()
    yield
    print(f"{what} took {time.monotonic() - started:.1f} s")


def _runbook_environment(stack: Stack) -> dict[str, str]:
    """The variables of the runbook."""
    secrets_ = config.stack_secrets(stack.home)
    return {
        "PATH": f"{postgres.binaries_folder()}:{os.environ['PATH']}",
        "PGHOST": config.LOOPBACK,
        "PGPORT": str(stack.settings.postgres_port),
        "PGUSER": "postgres",
        "PGPASSWORD": secrets_.superuser_password,
        "BACKUPS": str(stack.home / "backups"),
        "DATA": str(services.data_folder(stack.settings, "postgres")),
        "OWNER": unprivileged.server_user() or getpass.getuser(),
    }


async def _archive_everything(stack: Stack) -> None:
    """Archive the segment in use, which PostgreSQL itself does after archive_timeout."""
    connection = await asyncpg.connect(stack.addresses.postgres_admin)
    try:
        name = await connection.fetchval("SELECT pg_walfile_name(pg_switch_wal())")

        async def is_archived() -> bool:
            last = await connection.fetchval("SELECT last_archived_wal FROM pg_stat_archiver")
            return bool(last >= name)

        await eventually(is_archived)
    finally:
        await connection.close()


async def _no_id_was_issued_twice(stack: Stack) -> None:
    """Every event of a transaction id reports the same transaction, lost or not."""
    transactions: dict[str, Any] = {}
    async with AIOKafkaConsumer(
        *(POINTS_EARNED, POINTS_REDEEMED, POINTS_ADJUSTED),
        bootstrap_servers=stack.kafka,
        auto_offset_reset="earliest",
    ) as consumer:
        ends = await consumer.end_offsets(consumer.assignment())
        while any([await consumer.position(place) < end for place, end in ends.items()]):
            for records in (await consumer.getmany(timeout_ms=500)).values():
                for record in records:
                    event = json.loads(record.value)
                    known = transactions.setdefault(event["transaction_id"], event)
                    assert event == known
    assert transactions
