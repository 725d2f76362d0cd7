"""The customers' digests: read and written for a whole batch, each statement once.

A digest may be missing, or be NULL where something else than detection changed the earnings that it
counts (migrations/0006_digests.py): then it is made from them again.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import asyncpg
import msgspec
from msgspec import Struct

from libs.persistence.columns import texts
from libs.persistence.engine import Connection
from libs.persistence.errors import ConcurrentWrite
from libs.persistence.rows import copy
from services.anomaly.domain.digests import Digest
from services.anomaly.store.earnings import Customer

_READ: Final = r"""
SELECT a.nth, d.ctid::text AS ctid, d.xmin::text AS xmin, d.digest
FROM unnest(string_to_array($1, E'\x1f'), string_to_array($2, E'\x1f'))
     WITH ORDINALITY AS a (store_id, customer_id, nth)
JOIN digests d USING (store_id, customer_id)
"""
# A freed place may hold another version of the row, or another row; no transaction wrote both.
_UPDATE: Final = r"""
UPDATE digests d SET digest = new.digest
FROM unnest(string_to_array($1, E'\x1f')::tid[], string_to_array($2, E'\x1f')::xid[],
            string_to_array($3, E'\x1f', E'\x1e')) AS new (ctid, written_by, digest)
WHERE d.ctid = new.ctid AND d.xmin = new.written_by
"""

_encode: Final = msgspec.json.Encoder().encode
_decoder: Final = msgspec.json.Decoder(Digest)


class _Row(Struct, frozen=True, array_like=True, gc=False):
    """A row of the table."""

    store_id: str
    customer_id: str
    digest: str


class StoredDigest(Struct, frozen=True, gc=False):
    """A customer's row: its place, the transaction that wrote it, and the digest, None where it has to
    be made again."""

    ctid: str
    xmin: str
    digest: Digest | None


async def read(
    connection: Connection, customers: Sequence[Customer]
) -> dict[Customer, StoredDigest]:
    """The digests of those customers who have a row."""
    rows = await connection.fetch(
        _READ,
        texts(store_id for store_id, _ in customers),
        texts(customer_id for _, customer_id in customers),
    )
    return {
        customers[nth - 1]: StoredDigest(ctid, xmin, None if digest is None else _decode(digest))
        for nth, ctid, xmin, digest in rows
    }


async def write(
    connection: Connection,
    digests: Mapping[Customer, Digest | None],
    stored: Mapping[Customer, StoredDigest],
) -> None:
    """Write the digests of customers whose rows were `stored`; None leaves none behind. Raises
    ConcurrentWrite where a row was written or created since."""
    ordered = sorted(digests)
    await _update(connection, [(stored[one], digests[one]) for one in ordered if one in stored])
    await _insert(connection, [(*one, digests[one]) for one in ordered if one not in stored])


async def _update(
    connection: Connection, changes: Sequence[tuple[StoredDigest, Digest | None]]
) -> None:
    if not changes:
        return
    status = await connection.execute(
        _UPDATE,
        texts(stored.ctid for stored, _ in changes),
        texts(stored.xmin for stored, _ in changes),
        texts(None if digest is None else _encode(digest).decode() for _, digest in changes),
    )
    if status != f"UPDATE {len(changes)}":
        raise ConcurrentWrite("a digest was written by a concurrent transaction")


async def _insert(connection: Connection, rows: Sequence[tuple[str, str, Digest | None]]) -> None:
    known = [
        _Row(store_id, customer_id, _encode(digest).decode())
        for store_id, customer_id, digest in rows
        if digest is not None
    ]
    if not known:
        return
    try:
        await copy(connection, "digests", known)
    except asyncpg.UniqueViolationError as error:
        raise ConcurrentWrite("a digest was created by a concurrent transaction") from error


def _decode(digest: str) -> Digest | None:
    try:
        return _decoder.decode(digest)
    except msgspec.ValidationError:
        # Another version wrote it, with other fields.
        return None
