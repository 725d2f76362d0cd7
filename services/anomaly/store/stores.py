"""What each store has set, and the epoch of its cached windows."""

from collections.abc import Iterable
from typing import Final

from msgspec import Struct

from libs.contracts import api
from libs.contracts.anomalies import AnomalySettings
from libs.contracts.numbers import decoder
from libs.persistence.engine import Connection

_READ: Final = "SELECT store_id, settings, revision, epoch FROM stores WHERE store_id = ANY($1)"
_PUT: Final = """
INSERT INTO stores (store_id, settings, revision, epoch) VALUES ($1, $2, 1, 1)
ON CONFLICT (store_id) DO UPDATE
SET settings = excluded.settings, revision = stores.revision + 1, epoch = stores.epoch + 1
"""
# In one order, so that batches of several processes cannot deadlock.
_NEXT_EPOCH: Final = """
INSERT INTO stores (store_id, settings, revision, epoch)
SELECT store_id, '{}', 0, 1 FROM unnest($1::text[]) AS asked (store_id) ORDER BY 1
ON CONFLICT (store_id) DO UPDATE SET epoch = stores.epoch + 1
"""

_settings_of: Final = decoder(AnomalySettings).decode


class StoreSettings(Struct, frozen=True):
    """A store's detectors. `revision` counts the changes of them; windows cached in an earlier
    `epoch` may lack something and are not used any more."""

    settings: AnomalySettings = AnomalySettings()
    revision: int = 0
    epoch: int = 0


async def read(connection: Connection, store_ids: Iterable[str]) -> dict[str, StoreSettings]:
    """The settings of the stores, as shipped where nobody has set any."""
    asked = set(store_ids)
    rows = await connection.fetch(_READ, list(asked))
    found = {
        row["store_id"]: StoreSettings(_settings_of(row["settings"]), row["revision"], row["epoch"])
        for row in rows
    }
    return {store_id: found.get(store_id, StoreSettings()) for store_id in asked}


async def put(connection: Connection, store_id: str, settings: AnomalySettings) -> None:
    """Replace a store's settings; what was cached by the old ones is not used any more."""
    await connection.execute(_PUT, store_id, api.encode(settings).decode())


async def next_epoch(connection: Connection, store_ids: Iterable[str]) -> None:
    """With this transaction, the windows cached so far are not used any more."""
    await connection.execute(_NEXT_EPOCH, sorted(set(store_ids)))
