"""The age of the outbox is true also while the outbox cannot be read."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from prometheus_client import REGISTRY

from libs.messaging import relay
from libs.messaging.relay import Relay


class Connection:
    """The outbox, as it is read one time after the other; then the database is unavailable."""

    def __init__(self, *reads: Sequence[Any], locks: Sequence[bool] = ()) -> None:
        self._reads = list(reads)
        self._locks = list(locks)

    async def fetch(self, *_: Any) -> Sequence[Any]:
        if not self._reads:
            raise ConnectionResetError
        return self._reads.pop(0)

    async def fetchval(self, *_: Any) -> bool:
        return self._locks.pop(0)


def age() -> float:
    value = REGISTRY.get_sample_value("whale_outbox_age_seconds")
    assert value is not None
    return value


@pytest.fixture
async def started() -> Any:
    """A relay that never reaches Kafka."""
    started = Relay("postgresql://127.0.0.1:1/none", "127.0.0.1:1", unpack=lambda _: [])
    task = asyncio.create_task(started.run())
    await asyncio.sleep(0)
    yield started
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_the_age_grows_while_kafka_is_unavailable(started: Relay) -> None:
    before = age()
    await asyncio.sleep(0.05)
    assert age() >= before + 0.05


async def test_the_age_is_that_of_the_oldest_row_that_could_not_be_published(
    started: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: Any) -> None:
        raise ConnectionResetError

    monkeypatch.setattr(relay, "_publish", fail)
    rows = [{"id": 1, "payload": b"", "age": 42.0, "events": 1}]
    with pytest.raises(ConnectionResetError):
        await started._relay(Connection(rows), None)  # type: ignore[arg-type]
    assert 42 <= age() < 100


async def test_an_empty_outbox_has_no_age(started: Relay, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay, "_POLL_SECONDS", 0.01)
    started._published_until = -1_000.0
    with pytest.raises(ConnectionResetError):
        await started._relay(Connection([], []), None)  # type: ignore[arg-type]
    assert age() < 100


async def test_a_process_without_the_lane_reports_no_age(
    started: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "_STANDBY_SECONDS", 0.0)
    await started._hold_lane(Connection(locks=(False, True)))  # type: ignore[arg-type]
    assert age() == 0
