"""Which published events a service's database contains: after a restore, it may lack the latest."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from msgspec import Struct

from libs.contracts.events import AnomalyChanged, PointsPosted, RewardChanged
from libs.contracts.topics import (
    ANOMALY_RESOLVED,
    CATALOG_REWARD,
    POINTS_ADJUSTED,
    POINTS_EARNED,
    POINTS_REDEEMED,
)
from libs.kernel.ids import parse_id
from libs.messaging.cloudevents import EventReader, Poison

_Key = tuple[str, str | UUID | None, int]

_ENTRIES: Final = """
SELECT a.nth FROM unnest($1::text[], $2::uuid[], $3::bigint[]) WITH ORDINALITY
     AS a (store_id, id, sequence, nth)
JOIN entries e ON e.store_id = a.store_id AND e.id = a.id
"""
# A version above the reward's own was created after the restored instant.
_REWARDS: Final = """
SELECT a.nth FROM unnest($1::text[], $2::text[], $3::bigint[]) WITH ORDINALITY
     AS a (store_id, id, version, nth)
JOIN rewards r ON r.store_id = a.store_id AND r.id = a.id AND r.version >= a.version
"""
# A resolved anomaly is final.
_RESOLVED: Final = """
SELECT a.nth FROM unnest($1::text[], $2::uuid[], $3::bigint[]) WITH ORDINALITY
     AS a (store_id, id, version, nth)
JOIN anomalies r ON r.id = a.id AND r.store_id = a.store_id AND r.status = 'resolved'
"""


class Contents(Struct, frozen=True, kw_only=True):
    """How to look up the events of a topic in the database of the service that published them."""

    service: str
    kind: type[Any]
    key: Callable[[Any], _Key]
    query: str

    async def find(self, connection: Any, records: Sequence[Any]) -> list[bool]:
        """For each record, whether the database contains what it reports; False for a record that
        is no event."""
        read = EventReader(records[0].topic, kind=self.kind).read
        keys = [self._key_of(read, record) for record in records]
        columns = [list(column) for column in zip(*keys, strict=True)]
        rows = await connection.fetch(self.query, *columns)
        contained = {row["nth"] for row in rows}
        return [number in contained for number in range(1, len(records) + 1)]

    def _key_of(self, read: Callable[[Any], Any], record: Any) -> _Key:
        try:
            return self.key(read(record))
        except Poison:
            return "", None, 0


_POINTS: Final = Contents(
    service="earning",
    kind=PointsPosted,
    key=lambda event: (
        event.store_id,
        parse_id("txn", event.transaction_id),
        event.sequence,
    ),
    query=_ENTRIES,
)

# The topics that the services write and consume.
CONTENTS: Final[Mapping[str, Contents]] = {
    POINTS_EARNED: _POINTS,
    POINTS_REDEEMED: _POINTS,
    POINTS_ADJUSTED: _POINTS,
    CATALOG_REWARD: Contents(
        service="catalog",
        kind=RewardChanged,
        key=lambda event: (event.store_id, event.id, event.version),
        query=_REWARDS,
    ),
    ANOMALY_RESOLVED: Contents(
        service="anomaly",
        kind=AnomalyChanged,
        key=lambda event: (event.store_id, parse_id("anom", event.id), event.version),
        query=_RESOLVED,
    ),
}
