"""The table of idempotency keys: the response to a write, stored in the write's own transaction."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Final

from msgspec.structs import replace
from sqlalchemy.ext.asyncio import AsyncEngine

from libs.background.periodic import Periodic
from libs.kernel.errors import IdempotencyKeyReused, WhaleError
from libs.persistence.columns import texts
from libs.persistence.engine import Connection, transaction
from libs.persistence.errors import ConcurrentWrite, is_transient
from libs.persistence.idempotency import Claim, StoredResponse
from libs.persistence.retry import retry_lost_race

# The API promises 24 hours. Responses are kept for longer, so that a retry that starts in the last
# minute still gets its response.
RETENTION_HOURS: Final = 48
_PURGE_SECONDS: Final = 600.0

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


class StoredResponses:
    """The responses to a batch's requests, by store and key: those in the database, and those added since."""

    def __init__(self, stored: Mapping[tuple[str, str], tuple[bytes, StoredResponse]]) -> None:
        self._stored = dict(stored)
        self._responses = dict(stored)
        self._new: dict[tuple[str, str], tuple[Claim, StoredResponse]] = {}

    @property
    def writes_in_progress(self) -> list[bytes]:
        """The ids of the writes that claimed a key and have no response yet."""
        return [
            response.body for _, response in self._responses.values() if response.is_in_progress
        ]

    def response_to(self, claim: Claim) -> StoredResponse | None:
        """The response stored for the key, or None. Raises IdempotencyKeyReused if the key belongs
        to a different request."""
        entry = self._responses.get((claim.store_id, claim.key))
        if entry is None:
            return None
        fingerprint, response = entry
        if fingerprint != claim.fingerprint:
            raise IdempotencyKeyReused(
                "This Idempotency-Key was used for another request. Use a new key for a new request."
            )
        return response

    def remember(self, claim: Claim, response: StoredResponse) -> None:
        """Add a response to save, which a duplicate later in the same batch gets too."""
        place = claim.store_id, claim.key
        self._responses[place] = (claim.fingerprint, replace(response, replayed=True))
        self._new[place] = (claim, response)

    def forget_write(self, write_id: bytes, *, except_key: str | None = None) -> None:
        """Forget the claims of a write, so that later requests of the batch can use their keys."""
        for (store_id, key), (_, response) in list(self._responses.items()):
            if response.is_in_progress and response.body == write_id and key != except_key:
                self.forget(store_id, key)

    def forget(self, store_id: str, key: str) -> None:
        """Remove the key's response, so that a later request of the batch can use the key."""
        for responses in (self._responses, self._stored, self._new):
            responses.pop((store_id, key), None)

    async def save(self, connection: Connection) -> None:
        """Store the responses that were added. If an earlier transaction claimed a key, the response
        replaces that claim. Raises ConcurrentWrite like `store`."""
        claimed = self._new.keys() & self._stored.keys()
        completed = [place for place in claimed if not self._new[place][1].is_in_progress]
        await release(connection, [(*place, self._stored[place][1].body) for place in completed])
        await store(
            connection,
            [
                entry
                for place, entry in self._new.items()
                if place not in claimed or not entry[1].is_in_progress
            ],
        )


async def find(connection: Connection, claims: Iterable[Claim]) -> StoredResponses:
    """The responses stored for the keys of `claims`."""
    requested = list(claims)
    if not requested:
        return StoredResponses({})
    rows = await connection.fetch(
        _FIND, texts(claim.store_id for claim in requested), texts(claim.key for claim in requested)
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
    """Store new responses. Waits for a concurrent transaction that writes one of the keys.

    Raises ConcurrentWrite if that transaction commits: the caller must roll back.
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


async def release(
    connection: Connection, in_progress_keys: Sequence[tuple[str, str, bytes]]
) -> None:
    """Delete the markers of writes in progress, each given as (store id, key, write id). A marker is
    deleted if the write was refused, or just before the response is stored in the marker's place."""
    if in_progress_keys:
        columns = [[marker[column] for marker in in_progress_keys] for column in range(3)]
        await connection.execute(_RELEASE, *columns)


async def write_once(
    engine: AsyncEngine,
    claim: Claim | None,
    write: Callable[[Connection], Awaitable[StoredResponse]],
) -> StoredResponse:
    """Run `write` in a transaction, once per key. Returns its response, or the stored response of
    the first request with the key.

    If `write` raises an error, nothing is written or stored. If a concurrent transaction wins the
    race for the key or for a row, `write` runs again. If `write` is refused because a concurrent
    duplicate committed in the meantime, the duplicate's response is returned.
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


def idempotency_key_purger(engine: AsyncEngine) -> Periodic:
    """A background task that deletes expired keys every ten minutes."""

    async def purge() -> None:
        async with transaction(engine) as connection:
            await connection.execute(_PURGE, RETENTION_HOURS)

    return Periodic(
        "purge_idempotency_keys", purge, every_seconds=_PURGE_SECONDS, is_transient=is_transient
    )
