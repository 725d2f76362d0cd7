"""Stores and keys in PostgreSQL."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import ARRAY, LargeBinary, any_, func, literal, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from services.gateway.domain import ApiKey
from services.gateway.tables import api_keys, stores

_RECORDED_EVERY: Final = timedelta(minutes=1)


async def find_keys(engine: AsyncEngine, digests: Sequence[bytes]) -> dict[bytes, ApiKey]:
    """The keys with these digests, by digest, without unknown and revoked keys."""
    query = select(
        api_keys.c.digest, api_keys.c.store_id, api_keys.c.name, api_keys.c.scopes
    ).where(
        api_keys.c.digest == any_(literal(digests, ARRAY(LargeBinary))),
        api_keys.c.revoked_at.is_(None),
    )
    async with engine.connect() as connection:
        rows = (await connection.execute(query)).all()
    return {
        row.digest: ApiKey(row.digest, row.store_id, row.name, frozenset(row.scopes))
        for row in rows
    }


async def record_use(engine: AsyncEngine, digests: Sequence[bytes]) -> None:
    """Record that the keys are used now, unless that was recorded less than a minute ago."""
    statement = update(api_keys).where(
        api_keys.c.digest == any_(literal(digests, ARRAY(LargeBinary))),
        or_(
            api_keys.c.last_used_at.is_(None),
            api_keys.c.last_used_at < func.now() - _RECORDED_EVERY,
        ),
    )
    async with engine.begin() as connection:
        await connection.execute(statement.values(last_used_at=func.now()))


async def list_keys(engine: AsyncEngine, store_id: str) -> Sequence[Any]:
    """All keys of the store, also revoked ones, oldest first."""
    query = (
        select(
            api_keys.c.prefix,
            api_keys.c.name,
            api_keys.c.scopes,
            api_keys.c.created_at,
            api_keys.c.last_used_at,
            api_keys.c.revoked_at,
        )
        .where(api_keys.c.store_id == store_id)
        .order_by(api_keys.c.created_at, api_keys.c.prefix)
    )
    async with engine.connect() as connection:
        return (await connection.execute(query)).all()


async def find_label(engine: AsyncEngine, digest: bytes) -> Any:
    """The first characters of an existing key and its creation, which lists of keys show."""
    query = select(api_keys.c.prefix, api_keys.c.created_at).where(api_keys.c.digest == digest)
    async with engine.connect() as connection:
        return (await connection.execute(query)).one()


async def add_key(engine: AsyncEngine, key: ApiKey, *, prefix: str) -> None:
    """Add a key, and its store where it is new. A key that exists is replaced, also a revoked one."""
    statement = insert(api_keys).values(
        digest=key.digest,
        prefix=prefix,
        store_id=key.store_id,
        name=key.name,
        scopes=sorted(key.scopes),
    )
    async with engine.begin() as connection:
        await connection.execute(insert(stores).values(id=key.store_id).on_conflict_do_nothing())
        await connection.execute(
            statement.on_conflict_do_update(
                index_elements=["digest"],
                set_={"scopes": sorted(key.scopes), "name": key.name, "revoked_at": None},
            )
        )


async def find_keys_by_prefix(engine: AsyncEngine, prefix: str) -> Sequence[Any]:
    """The digest, store and name of every key in use that starts with `prefix`."""
    query = select(api_keys.c.digest, api_keys.c.store_id, api_keys.c.name).where(
        api_keys.c.prefix.startswith(prefix, autoescape=True), api_keys.c.revoked_at.is_(None)
    )
    async with engine.connect() as connection:
        return (await connection.execute(query)).all()


async def revoke(engine: AsyncEngine, digest: bytes) -> None:
    """Revoke the key. Every process refuses it within the time that keys are cached."""
    async with engine.begin() as connection:
        await connection.execute(
            update(api_keys).where(api_keys.c.digest == digest).values(revoked_at=func.now())
        )
