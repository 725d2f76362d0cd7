"""Idempotency keys: the response to a write, stored in the write's own transaction."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final

from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy import (
    TIMESTAMP,
    Column,
    Index,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    func,
)
from sqlalchemy.ext.asyncio import AsyncEngine

from libs.background.periodic import Periodic
from libs.kernel.errors import IdempotencyKeyReused, WhaleError
from libs.persistence.columns import texts
from libs.persistence.engine import Connection, transaction
from libs.persistence.errors import ConcurrentWrite, is_transient
from libs.persistence.retry import retry_lost_race

# The contract promises 24 hours; a retry at the end of them must still find its response.
RETENTION_HOURS: Final = 48
_PURGE_SECONDS: Final = 600.0

# Not an HTTP status: the write claimed its key and has no response yet.
IN_PROGRESS: Final = 0

_FIND: Final = r"""
SELECT k.store_id, k.key, k.fingerprint, k.status, k.body
FROM unnest(string_to_array($1, E'\x1f'), string_to_array($2, E'\x1f')) AS claim (store_id, key)
JOIN idempotency_keys k USING (store_id, key)
"""
_STORE: Final = r"""
INSERT INTO idempotency_keys (store_id, key, fingerprint, status, body)
SELECT * FROM unnest($1::text[], $2::text[], $3::bytea[], $4::smallint[], $5::bytea[])
ORDER BY 1, 2
ON CONFLICT DO NOTHING
"""
_RELEASE: Final = """
DELETE FROM idempotency_keys k
USING unnest($1::text[], $2::text[], $3::bytea[]) AS released (store_id, key, body)
WHERE k.store_id = released.store_id AND k.key = released.key AND k.body = released.body
    AND k.status = 0
"""
_PURGE: Final = "DELETE FROM idempotency_keys WHERE created_at < now() - make_interval(hours => $1)"


class Claim(Struct, frozen=True):
    """A caller's key in its store, and the digest of the request that the key stands for."""

    store_id: str
    key: str
    fingerprint: bytes


class StoredResponse(Struct, frozen=True):
    """The response to a write as it was sent: the HTTP status and the body's bytes.

    A write of several transactions claims its key with the first one, before there is a response:
    the status is then IN_PROGRESS, and `body` names what the write started. A retry of the same
    request continues that write; a different request with the key is refused. `replayed` is true
    for the response of an earlier request with the same key.
    """

    status: int
    body: bytes
    replayed: bool = False

    @property
    def is_in_progress(self) -> bool:
        return self.status == IN_PROGRESS


def in_progress(name: bytes = b"") -> StoredResponse:
    """What is stored under the key of a write that has no response yet."""
    return StoredResponse(IN_PROGRESS, name)


def idempotency_table(metadata: MetaData) -> Table:
    """The table that each writing service has."""
    return Table(
        "idempotency_keys",
        metadata,
        Column("store_id", Text(collation="C"), primary_key=True),
        Column("key", Text(collation="C"), primary_key=True),
        Column("fingerprint", LargeBinary, nullable=False),
        Column("status", SmallInteger, nullable=False),
        Column("body", LargeBinary, nullable=False),
        Column("created_at", TIMESTAMP(timezone=True), nullable=False, server_default=func.now()),
        Index("idempotency_keys_created_at", "created_at"),
    )


class StoredResponses(Struct, frozen=True):
    """The responses that a transaction found under the keys of its requests, by store and key."""

    responses: dict[tuple[str, str], tuple[bytes, StoredResponse]]

    def response_to(self, claim: Claim) -> StoredResponse | None:
        """The response stored under the key, or None. Raises IdempotencyKeyReused where the key
        stands for a different request."""
        entry = self.responses.get((claim.store_id, claim.key))
        if entry is None:
            return None
        fingerprint, response = entry
        if fingerprint != claim.fingerprint:
            raise IdempotencyKeyReused(
                "This Idempotency-Key was used for another request. Use a new key for a new request."
            )
        return response

    def remember(self, claim: Claim, response: StoredResponse) -> None:
        """Let a later duplicate in the same batch find the response too."""
        replay = replace(response, replayed=True)
        self.responses[claim.store_id, claim.key] = (claim.fingerprint, replay)

    def forget(self, store_id: str, key: str) -> None:
        """Make the key available to later requests of the same batch."""
        self.responses.pop((store_id, key), None)


async def find(connection: Connection, claims: Iterable[Claim]) -> StoredResponses:
    """Look up the responses stored under `claims`."""
    wanted = list(claims)
    if not wanted:
        return StoredResponses({})
    rows = await connection.fetch(
        _FIND, texts(claim.store_id for claim in wanted), texts(claim.key for claim in wanted)
    )
    return StoredResponses(
        {
            (row["store_id"], row["key"]): (
                row["fingerprint"],
                StoredResponse(row["status"], row["body"], replayed=True),
            )
            for row in rows
        }
    )


async def store(connection: Connection, responses: Sequence[tuple[Claim, StoredResponse]]) -> None:
    """Store new responses. A concurrent transaction that writes one of the keys is waited for.

    Raises ConcurrentWrite where that transaction commits first: the caller must roll back.
    """
    if not responses:
        return
    status = await connection.execute(
        _STORE,
        [claim.store_id for claim, _ in responses],
        [claim.key for claim, _ in responses],
        [claim.fingerprint for claim, _ in responses],
        [response.status for _, response in responses],
        [response.body for _, response in responses],
    )
    if status != f"INSERT 0 {len(responses)}":
        raise ConcurrentWrite


async def release(connection: Connection, unfinished: Sequence[tuple[str, str, bytes]]) -> None:
    """Delete claims of writes in progress, each given as store, key and what the write started:
    because the write was refused, or to store its response in place of the claim."""
    if unfinished:
        columns = [[claim[column] for claim in unfinished] for column in range(3)]
        await connection.execute(_RELEASE, *columns)


async def write_once(
    engine: AsyncEngine,
    claim: Claim | None,
    write: Callable[[Connection], Awaitable[StoredResponse]],
) -> StoredResponse:
    """Run `write` in a transaction, once per key; returns its response, or that of the first request
    with the key.

    `write` may raise a refusal: then nothing is written or stored. A write that lost a race, for
    the key or for its own rows, starts over. A write that is refused because of what its duplicate
    did, which committed in the meantime, gets the duplicate's response.
    """

    async def attempt() -> StoredResponse:
        async with transaction(engine) as connection:
            stored = await _find_response(connection, claim)
            if stored is not None:
                return stored
            response = await write(connection)
            if claim is not None:
                await store(connection, [(claim, response)])
            return response

    try:
        return await retry_lost_race(attempt)
    except WhaleError:
        stored = await _response_to_duplicate(engine, claim)
        if stored is None:
            raise
        return stored


async def _response_to_duplicate(engine: AsyncEngine, claim: Claim | None) -> StoredResponse | None:
    if claim is None:
        return None
    async with transaction(engine, readonly=True) as connection:
        return await _find_response(connection, claim)


async def _find_response(connection: Connection, claim: Claim | None) -> StoredResponse | None:
    if claim is None:
        return None
    return (await find(connection, [claim])).response_to(claim)


def purging(engine: AsyncEngine) -> Periodic:
    """Deletes expired keys every ten minutes."""

    async def purge() -> None:
        async with transaction(engine) as connection:
            await connection.execute(_PURGE, RETENTION_HOURS)

    return Periodic(
        "purge_idempotency_keys", purge, every_seconds=_PURGE_SECONDS, is_transient=is_transient
    )
