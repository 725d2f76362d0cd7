"""Looking up a batch of keys, each of which begins with a store's id."""

from collections.abc import Collection
from typing import Final

import asyncpg
from msgspec import Struct

from libs.persistence.columns import texts
from libs.persistence.engine import Connection

# With more stores, looking for every second part in every store costs more than looking for each key.
_FEW_STORES: Final = 4


class LookUp(Struct, frozen=True):
    """A query for the rows of a table that have one of many keys.

    The statement that starts with `select` finds each key on its own. For a few stores, another one
    looks for all second parts in all stores, and then finds neighboring keys with one descent of the index;
    rows of other keys may be among its results.
    """

    select: str
    table: str
    key: tuple[str, str]
    condition: str = "true"
    order: str = ""

    @property
    def of_pairs(self) -> str:
        return rf"""{self.select}
FROM unnest(string_to_array($1, E'\x1f'), string_to_array($2, E'\x1f')) AS keys ({", ".join(self.key)})
JOIN {self.table} USING ({", ".join(self.key)})
WHERE {self.condition} {self.order}"""

    @property
    def of_few_stores(self) -> str:
        first, second = self.key
        return rf"""{self.select}
FROM {self.table}
WHERE {first} = ANY(string_to_array($1, E'\x1f')) AND {second} = ANY(string_to_array($2, E'\x1f'))
  AND {self.condition} {self.order}"""

    async def fetch(
        self, connection: Connection, keys: Collection[tuple[str, str]]
    ) -> list[asyncpg.Record]:
        """The rows, none without keys."""
        if not keys:
            return []
        stores = {store_id for store_id, _ in keys}
        second = texts(key[1] for key in keys)
        if len(stores) <= _FEW_STORES:
            return await connection.fetch(self.of_few_stores, texts(sorted(stores)), second)
        return await connection.fetch(self.of_pairs, texts(key[0] for key in keys), second)
