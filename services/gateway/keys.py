"""`python -m services.gateway.keys create | revoke`: keys are made where the database is."""

import argparse
import asyncio
import os
import re
import sys

from sqlalchemy.ext.asyncio import AsyncEngine

from libs.kernel.ids import STORE_ID
from libs.kernel.settings import SettingsError, load
from libs.persistence.engine import create_engine
from services.gateway import store
from services.gateway.domain import (
    DEMO_KEY,
    PREFIX_LENGTH,
    SCOPES,
    SHORTEST_PREFIX,
    USUAL_SCOPES,
    ApiKey,
    digest_of,
    new_key,
)
from services.gateway.settings import KeySettings

_NAME = re.compile(r"[^\x00-\x1f\x7f]{1,120}")


class Refusal(Exception):
    """The message says what is wrong with the call."""


async def create(engine: AsyncEngine, settings: KeySettings, asked: argparse.Namespace) -> str:
    """Make a key for a store, and the store where it is new; answers the key."""
    scopes = frozenset(asked.scopes.split(",")) if asked.scopes else frozenset(USUAL_SCOPES)
    unknown = sorted(scopes - set(SCOPES))
    if unknown:
        raise Refusal(f"There is no scope {', '.join(unknown)}: choose of {', '.join(SCOPES)}.")
    if not STORE_ID.fullmatch(asked.store):
        raise Refusal("A store's id has 1-64 characters of A-Z a-z 0-9 _ -")
    if not _NAME.fullmatch(asked.name):
        raise Refusal("A key's name has 1-120 characters.")
    key: str = asked.key or new_key("test" if settings.mode == "local" else "live")
    if key == DEMO_KEY and settings.mode != "local":
        raise Refusal("The demo key is for local use only.")
    digest = digest_of(key, settings.key_secret.encode())
    await store.add_key(
        engine, ApiKey(digest, asked.store, asked.name, scopes), prefix=key[:PREFIX_LENGTH]
    )
    return key


async def revoke(engine: AsyncEngine, settings: KeySettings, asked: argparse.Namespace) -> str:
    """Revoke the one key that begins as asked; answers whose it was."""
    begin: str = asked.prefix
    if len(begin) < SHORTEST_PREFIX:
        raise Refusal(f"Give at least the first {SHORTEST_PREFIX} characters of the key.")
    found = await store.keys_beginning(engine, begin[:PREFIX_LENGTH])
    if len(found) > 1:
        digest = digest_of(begin, settings.key_secret.encode())
        found = [row for row in found if row.digest == digest]
        if not found:
            raise Refusal("Several keys begin so: give the whole key.")
    if not found:
        raise Refusal("No key in use begins so.")
    (row,) = found
    await store.revoke(engine, row.digest)
    return f"Revoked: the key {row.name} of {row.store_id}. It is refused within 5 seconds."


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m services.gateway.keys", description=__doc__)
    commands = parser.add_subparsers(required=True)
    making = commands.add_parser("create")
    making.add_argument("--store", required=True)
    making.add_argument("--scopes", help=f"of {','.join(SCOPES)}; all but admin unless named")
    making.add_argument("--name", default="unnamed")
    making.add_argument("--key", help="a key of your own making")
    making.set_defaults(run=create)
    revoking = commands.add_parser("revoke")
    revoking.add_argument("--prefix", required=True)
    revoking.set_defaults(run=revoke)
    return parser


async def _run(settings: KeySettings, asked: argparse.Namespace) -> str:
    engine = create_engine(settings.database_url, name="gateway keys", connections=1)
    try:
        said: str = await asked.run(engine, settings, asked)
    finally:
        await engine.dispose()
    return said


if __name__ == "__main__":
    arguments = _parser().parse_args()
    try:
        print(asyncio.run(_run(load(KeySettings, os.environ), arguments)))  # noqa: T201
    except (Refusal, SettingsError) as error:
        sys.exit(str(error))
