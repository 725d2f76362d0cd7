"""The stores' settings, and the epoch by which the previous version knows its windows in Redis."""

from collections.abc import Iterable
from typing import Final

from msgspec import Struct

from libs.contracts import api
from libs.contracts.anomalies import AnomalySettings
from libs.contracts.numbers import decoder
from libs.persistence.engine import Connection

_READ: Final = "SELECT store_id, settings, revision FROM stores WHERE store_id = ANY($1)"
_PUT: Final = """
INSERT INTO stores (store_id, settings, revision, epoch) VALUES ($1, $2, 1, 1)
ON CONFLICT (store_id) DO UPDATE
SET settings = excluded.settings, revision = stores.revision + 1, epoch = stores.epoch + 1
RETURNING revision
"""
# Sorted, so that batches of several processes cannot deadlock.
_NEXT_EPOCH: Final = """
INSERT INTO stores (store_id, settings, revision, epoch)
SELECT store_id, '{}', 0, 1 FROM unnest($1::text[]) AS a (store_id) ORDER BY 1
ON CONFLICT (store_id) DO UPDATE SET epoch = stores.epoch + 1
"""

_settings_of: Final = decoder(AnomalySettings).decode


class StoreSettings(Struct, frozen=True):
    """A store's detector settings; `revision` counts their changes."""

    settings: AnomalySettings = AnomalySettings()
    revision: int = 0

    @property
    def version(self) -> int:
        """The version of the settings that callers see."""
        return self.revision + 1


async def read(connection: Connection, store_ids: Iterable[str]) -> dict[str, StoreSettings]:
    """The settings of the stores, the default ones where a store has set none."""
    ids = set(store_ids)
    rows = await connection.fetch(_READ, list(ids))
    settings = {
        row["store_id"]: StoreSettings(_settings_of(row["settings"]), row["revision"])
        for row in rows
    }
    return {store_id: settings.get(store_id, StoreSettings()) for store_id in ids}


async def put(connection: Connection, store_id: str, settings: AnomalySettings) -> StoreSettings:
    """Replace a store's settings; its customers' digests are made again."""
    row = await connection.fetchrow(_PUT, store_id, api.encode(settings).decode())
    assert row is not None
    return StoreSettings(settings, row["revision"])


async def next_epoch(connection: Connection, store_ids: Iterable[str]) -> None:
    """From this transaction's commit on, the previous version uses none of the stores' present windows:
    they lack what this version does. To be dropped in the release after."""
    await connection.execute(_NEXT_EPOCH, sorted(set(store_ids)))
