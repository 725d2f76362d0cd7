"""The table of dead letters: bounded, in any order of arrival, and only of letters that are open."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from libs.persistence.engine import create_engine, snapshot, transaction
from services.earning.domain.dead_letters import HandledLetter, Letter, letter_id
from services.earning.handlers.dead_letters import record
from services.earning.store import dead_letters
from services.earning.store.dead_letters import LetterFilter
from tests.integration.conftest import Database

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)


@pytest.fixture
async def engine(earning_database: Database) -> Any:
    engine = create_engine(earning_database.url, name="test", connections=2)
    yield engine
    await engine.dispose()


def letter(number: int, *, store_id: str = "store_1", dead_at: datetime | None = None) -> Letter:
    place = f"order.completed.dlq:0:{number}"
    return Letter(
        id=letter_id(place),
        place=place,
        store_id=store_id,
        topic="order.completed",
        code="invalid",
        detail="total: too small",
        service="earning",
        customer_id=None,
        order_id=f"o{number}",
        truncated=False,
        dead_at=dead_at or NOW + timedelta(seconds=number),
        headers=b"{}",
        value=b"\x00\xff",
    )


async def places(engine: Any, store_id: str = "store_1") -> list[str]:
    """The open letters of a store, by number, newest first."""
    async with snapshot(engine) as connection:
        rows, counted = await dead_letters.read_page(
            connection, LetterFilter(store_id=store_id), limit=100, after=None
        )
    assert counted == len(rows)
    return [row["place"].rsplit(":")[-1] for row in rows]


async def test_a_letter_that_is_read_again_is_recorded_once(engine: Any) -> None:
    for _ in range(2):
        await record(engine, [letter(1), letter(2)], [])
    assert await places(engine) == ["2", "1"]


@pytest.mark.parametrize("first", ["the letter", "the mark"])
async def test_a_handled_letter_leaves_the_list_whatever_arrives_first(
    engine: Any, first: str
) -> None:
    mark = HandledLetter(id=letter(1).id, outcome="dropped", handled_at=NOW)
    steps: list[Any] = [([letter(1), letter(2)], []), ([], [mark])]
    for letters, handled in steps if first == "the letter" else reversed(steps):
        await record(engine, letters, handled)
    assert await places(engine) == ["2"]
    async with snapshot(engine) as connection:
        assert await dead_letters.find(connection, "store_1", letter(1).id) is None
        assert await dead_letters.read_of_orders(connection, "store_1", ["o1"]) == {}
        refused = await dead_letters.read_refused(connection, "store_1")
    assert [order.order_id for order in refused] == ["o2"]


async def test_a_store_with_too_many_letters_loses_the_oldest_and_no_other_store_does(
    engine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dead_letters, "MAX_PER_STORE", 3)
    await record(engine, [letter(number, store_id="store_2") for number in range(10, 13)], [])
    await record(engine, [letter(number) for number in (5, 1, 4)], [])
    await record(engine, [letter(2), letter(3)], [])
    assert await places(engine) == ["5", "4", "3"]
    assert await places(engine, "store_2") == ["12", "11", "10"]


async def test_letters_older_than_thirty_days_are_deleted(engine: Any) -> None:
    now = datetime.now(UTC)
    old = letter(1, dead_at=now - timedelta(days=30, minutes=1))
    await record(engine, [old, letter(2, dead_at=now - timedelta(days=29))], [])
    async with transaction(engine) as connection:
        await dead_letters.purge(connection)
    assert await places(engine) == ["2"]
