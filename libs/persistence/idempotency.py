"""Idempotency keys: the answer of a write, kept in the write's own transaction."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final

from msgspec import Struct
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

from libs.kernel.errors import IdempotencyKeyReused, WhaleError
from libs.observability import logging
from libs.persistence.columns import texts
from libs.persistence.engine import Connection, transaction
from libs.persistence.errors import Rival, is_transient

# The promise is 24 hours; a retry that starts at its end is still found.
KEPT_HOURS: Final = 48
_PURGE_SECONDS: Final = 600.0
# Each lost race is lost to a transaction that committed; a handful in a row is a store in trouble.
_ATTEMPTS: Final = 5

# No HTTP status: the claim of a write whose answer comes later.
BEGUN: Final = 0

_FIND: Final = r"""
SELECT k.store_id, k.key, k.fingerprint, k.status, k.body
FROM unnest(string_to_array($1, E'\x1f'), string_to_array($2, E'\x1f')) AS asked (store_id, key)
JOIN idempotency_keys k USING (store_id, key)
"""
_KEEP: Final = r"""
INSERT INTO idempotency_keys (store_id, key, fingerprint, status, body)
SELECT * FROM unnest($1::text[], $2::text[], $3::bytea[], $4::smallint[], $5::bytea[])
ORDER BY 1, 2
ON CONFLICT DO NOTHING
"""
_FREE: Final = """
DELETE FROM idempotency_keys k
USING unnest($1::text[], $2::text[], $3::bytea[]) AS freed (store_id, key, body)
WHERE k.store_id = freed.store_id AND k.key = freed.key AND k.body = freed.body AND k.status = 0
"""
_PURGE: Final = "DELETE FROM idempotency_keys WHERE created_at < now() - make_interval(hours => $1)"

log = logging.get(__name__)


class Claim(Struct, frozen=True):
    """A caller's key in its store, and the digest of the request it stands for."""

    store_id: str
    key: str
    fingerprint: bytes


class KeptAnswer(Struct, frozen=True):
    """An answer as it went out: the HTTP status and the body's bytes.

    A write of several transactions claims its key with the first one, before there is an answer:
    the status is then BEGUN, and `body` names what was begun. The same request goes on with it;
    another request with the key is refused.
    """

    status: int
    body: bytes

    @property
    def is_begun(self) -> bool:
        return self.status == BEGUN


def begun(name: bytes = b"") -> KeptAnswer:
    """What stands under the key of a write that has no answer yet."""
    return KeptAnswer(BEGUN, name)


def idempotency_table(metadata: MetaData) -> Table:
    """The table each writing service has."""
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


class Kept(Struct, frozen=True):
    """What a transaction found of the keys it was asked with."""

    answers: dict[tuple[str, str], tuple[bytes, KeptAnswer]]

    def answer_to(self, claim: Claim) -> KeptAnswer | None:
        """What stands under the key, or None; raises IdempotencyKeyReused where the key stands for
        another request."""
        found = self.answers.get((claim.store_id, claim.key))
        if found is None:
            return None
        fingerprint, answer = found
        if fingerprint != claim.fingerprint:
            raise IdempotencyKeyReused(
                "This Idempotency-Key was used for another request. Use a new key for a new request."
            )
        return answer

    def remember(self, claim: Claim, answer: KeptAnswer) -> None:
        """Let a later twin in the same batch find the answer too."""
        self.answers[claim.store_id, claim.key] = (claim.fingerprint, answer)

    def forget(self, store_id: str, key: str) -> None:
        """The key is free again for whoever comes later in the same batch."""
        self.answers.pop((store_id, key), None)


async def find(connection: Connection, claims: Iterable[Claim]) -> Kept:
    """Look up the answers kept under `claims`."""
    asked = list(claims)
    if not asked:
        return Kept({})
    rows = await connection.fetch(
        _FIND, texts(claim.store_id for claim in asked), texts(claim.key for claim in asked)
    )
    return Kept(
        {
            (row["store_id"], row["key"]): (
                row["fingerprint"],
                KeptAnswer(row["status"], row["body"]),
            )
            for row in rows
        }
    )


async def keep(connection: Connection, answers: Sequence[tuple[Claim, KeptAnswer]]) -> None:
    """Keep new answers; a rival's transaction that holds one of the keys is waited for.

    Raises Rival where one of the keys exists by now: then nothing of this transaction may hold.
    """
    if not answers:
        return
    status = await connection.execute(
        _KEEP,
        [claim.store_id for claim, _ in answers],
        [claim.key for claim, _ in answers],
        [claim.fingerprint for claim, _ in answers],
        [answer.status for _, answer in answers],
        [answer.body for _, answer in answers],
    )
    if status != f"INSERT 0 {len(answers)}":
        raise Rival


async def free(connection: Connection, begun_keys: Sequence[tuple[str, str, bytes]]) -> None:
    """Free keys whose writes were begun, each named by its store, itself and what was begun: since
    the write was refused after all, or to keep its answer in place of the claim."""
    if begun_keys:
        columns = [[key[at] for key in begun_keys] for at in range(3)]
        await connection.execute(_FREE, *columns)


async def write_once(
    engine: AsyncEngine,
    claim: Claim | None,
    write: Callable[[Connection], Awaitable[KeptAnswer]],
) -> tuple[KeptAnswer, bool]:
    """Run `write` in a transaction, once per key; answers its answer, and whether it is a replay.

    `write` may raise a refusal: then nothing is written and nothing kept. A write that lost a race,
    for the key or for what it writes (Rival), starts over. One that is refused for what its own
    twin did, which committed meanwhile, gets the twin's answer.
    """
    for _ in range(_ATTEMPTS):
        try:
            async with transaction(engine) as connection:
                before = await _answer_before(connection, claim)
                if before is not None:
                    return before, True
                answer = await write(connection)
                if claim is not None:
                    await keep(connection, [(claim, answer)])
                return answer, False
        except Rival:
            continue
        except WhaleError:
            twin = await _answer_of_twin(engine, claim)
            if twin is None:
                raise
            return twin, True
    raise Rival


async def _answer_of_twin(engine: AsyncEngine, claim: Claim | None) -> KeptAnswer | None:
    if claim is None:
        return None
    async with transaction(engine, readonly=True) as connection:
        return await _answer_before(connection, claim)


async def _answer_before(connection: Connection, claim: Claim | None) -> KeptAnswer | None:
    if claim is None:
        return None
    return (await find(connection, [claim])).answer_to(claim)


async def keep_purging(engine: AsyncEngine) -> None:
    """Forget the keys that are past their time, again and again, until cancelled."""
    while True:
        try:
            async with transaction(engine) as connection:
                await connection.execute(_PURGE, KEPT_HOURS)
        except Exception as error:
            if not is_transient(error):
                log.exception("keys_not_purged")
        await asyncio.sleep(_PURGE_SECONDS)
