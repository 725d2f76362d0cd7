"""The check of the cycles in a slice of the books check: what time changes of its accounts follows from their
entries, from the settings of the stores, and from the changes of status.

Accounts of stores in which nothing expires or waits have no cycle, and cost one look at their rows.
"""

import asyncio
from collections import defaultdict
from datetime import UTC
from typing import Any, Final

from libs.persistence.engine import Connection
from services.earning.domain import cycles
from services.earning.domain.books_check import compare_cycle
from services.earning.domain.cycle_fold import CycleFold, RecordedStatus
from services.earning.domain.waiting_awards import Settings, read_settings
from services.earning.store import timelines
from services.earning.store.pending_awards import read_window

# The event loop can serve requests after so many entries.
_ENTRIES_AT_ONCE: Final = 250

# What is left of the awards that wait, until when they do, and what the entries say of it.
_CYCLES: Final = """
SELECT a.id, a.store_id, a.balance, a.suspended, a.cycle, coalesce(w.points, 0) AS waiting, w.days, w.give_ups,
       w.releases, coalesce(e.pending, 0) AS pending
FROM accounts a
LEFT JOIN LATERAL (
    SELECT sum(points)::bigint AS points,
           array_agg(wait_on) FILTER (WHERE release_at IS NULL) AS days,
           array_agg(awaits_fulfillment) FILTER (WHERE release_at IS NULL) AS give_ups,
           array_agg(release_at ORDER BY release_at) FILTER (WHERE release_at IS NOT NULL) AS releases
    FROM pending_awards
    WHERE account_id = a.id AND wait_on IS NOT NULL
) w ON true
LEFT JOIN LATERAL (
    SELECT sum(pending)::bigint AS pending FROM entries
    WHERE account_id = a.id AND pending IS NOT NULL
) e ON true
WHERE a.id > $1 AND a.id <= $2 AND a.cycle IS NOT NULL
ORDER BY a.id
"""
# No row is ever replaced, so that the places of those of one instant are in the order of the changes.
_STATUS_CHANGES: Final = """
SELECT s.account_id, s.changed_at, s.status = 'suspended' AS is_suspended, s.sequence
FROM accounts a JOIN status_changes s ON s.account_id = a.id
WHERE a.id > $1 AND a.id <= $2 AND a.cycle IS NOT NULL
ORDER BY s.account_id, s.changed_at, s.ctid
"""
_ENTRIES: Final = """
SELECT e.account_id, e.sequence, e.id, e.type, e.points, e.balance_after, e.order_id, e.redemption_id,
       e.occurred_at, e.program_version_id, e.lots, e.pending, e.covered, e.available_at, f.fulfilled_at,
       p.days, p.wait_on, p.release_at, p.awaits_fulfillment
FROM accounts a
JOIN entries e ON e.account_id = a.id
LEFT JOIN fulfillments f ON e.type IN ('earn', 'pend') AND f.store_id = e.store_id
    AND f.order_id = e.order_id AND f.account_id = e.account_id
LEFT JOIN pending_awards p ON e.type = 'pend' AND p.store_id = e.store_id
    AND p.order_id = e.order_id AND p.account_id = e.account_id
WHERE a.id > $1 AND a.id <= $2 AND a.cycle IS NOT NULL
ORDER BY e.account_id, e.sequence
"""


async def check(connection: Connection, after: int, end: int) -> list[str]:
    """A sentence for each fault in the cycles of the accounts after `after` and up to `end`, and for the first
    fault in what the entries of each say about them."""
    accounts = {row["id"]: row for row in await connection.fetch(_CYCLES, after, end)}
    if not accounts:
        return []
    faults = [fault for row in accounts.values() for fault in compare_cycle(row)]
    folds = await _Folds.read(connection, accounts, (after, end))
    cursor = await connection.cursor(_ENTRIES, after, end)
    while entries := await cursor.fetch(_ENTRIES_AT_ONCE):
        for entry in entries:
            faults += folds.post(entry)
        await asyncio.sleep(0)
    return faults + folds.end()


class _Folds:
    """The folds of the accounts of a slice, one after the other."""

    def __init__(
        self,
        accounts: dict[int, Any],
        settings: dict[str, Settings],
        changes: dict[int, list[RecordedStatus]],
    ) -> None:
        # Those that are not compared yet.
        self._accounts = accounts
        self._settings = settings
        self._changes = changes
        self._account_id = 0
        self._fold: CycleFold | None = None

    @classmethod
    async def read(
        cls, connection: Connection, accounts: dict[int, Any], bounds: tuple[int, int]
    ) -> "_Folds":
        settings = {
            store_id: read_settings(await timelines.read_versions(connection, store_id))
            for store_id in {row["store_id"] for row in accounts.values()}
        }
        changes: defaultdict[int, list[RecordedStatus]] = defaultdict(list)
        for row in await connection.fetch(_STATUS_CHANGES, *bounds):
            changed_at = row["changed_at"].astimezone(UTC)
            changes[row["account_id"]].append(
                RecordedStatus(changed_at, row["is_suspended"], row["sequence"])
            )
        return cls(accounts, settings, changes)

    def post(self, entry: Any) -> list[str]:
        """Post the entry, which ends the account before if it is another one's; the faults of that account."""
        faults = []
        if self._fold is None or entry["account_id"] != self._account_id:
            faults = self._compare()
            self._account_id = entry["account_id"]
            self._fold = self._start(self._account_id)
        self._fold.post(entry, read_window(entry))
        return faults

    def end(self) -> list[str]:
        """The faults of the last account, and of those without entries."""
        faults = self._compare()
        for account_id in list(self._accounts):
            self._account_id = account_id
            self._fold = self._start(account_id)
            faults += self._compare()
        return faults

    def _start(self, account_id: int) -> CycleFold:
        settings = self._settings[self._accounts[account_id]["store_id"]]
        return CycleFold(account_id, settings, self._changes.pop(account_id, ()))

    def _compare(self) -> list[str]:
        if self._fold is None:
            return []
        fault = self._fold.compare(cycles.decode(self._accounts.pop(self._account_id)["cycle"]))
        self._fold = None
        return [] if fault is None else [fault]
