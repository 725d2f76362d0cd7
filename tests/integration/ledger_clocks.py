"""Clocks of the ledger: one that a test sets, and its own."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from libs.kernel.clock import utc_now
from libs.kernel.ids import shifted_id, time_of, uuid7_text
from libs.persistence.engine import Connection
from services.earning.handlers import posting
from services.earning.store import clock


class TestClock:
    """The ledger's clock, which a test sets. The ids of entries have its time too, and sort as they were made."""

    __test__ = False

    def __init__(self, now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = now
        self._ids = 0
        monkeypatch.setattr(clock, "read_now", self._read_now)
        monkeypatch.setattr(posting, "uuid7_text", self._new_id)

    def tick(self) -> None:
        self.now += timedelta(milliseconds=1)

    def _new_id(self) -> str:
        id_ = uuid7_text()
        shifted = shifted_id(id_, self.now - time_of(id_))
        self._ids += 1
        # Real ids of one millisecond are in order; those of several would not be after they are shifted to one.
        return f"{shifted[:15]}{self._ids >> 12:03x}-8{self._ids & 0xFFF:03x}{shifted[23:]}"

    async def _read_now(self, _connection: Connection, store_ids: Any) -> dict[str, datetime]:
        return dict.fromkeys(store_ids, self.now)


class RealClock:
    """The ledger's own clock, of a store whose clock was not moved."""

    @property
    def now(self) -> datetime:
        return utc_now()
