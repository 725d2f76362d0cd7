"""`python -m services.gateway.keys create | list | revoke`: manages API keys where the database is."""

import argparse
import asyncio
import os
import re
import secrets
import sys
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from libs.kernel.ids import STORE_ID
from libs.kernel.settings import SettingsError, load
from libs.persistence.engine import create_engine
from services.gateway import store as keys_db
from services.gateway.domain import (
    DEFAULT_SCOPES,
    DEMO_KEY,
    MIN_PREFIX_LENGTH,
    PREFIX_LENGTH,
    PREFIX_SHOWN,
    RANDOM_BYTES,
    SCOPES,
    ApiKey,
    digest_of,
    make_key,
)
from services.gateway.settings import KeySettings

_HEADINGS = ("key", "name", "scopes", "created", "last used (UTC)", "state")
_NAME = re.compile(r"[^\x00-\x1f\x7f]{1,120}")


class Refusal(Exception):
    """The message says what is wrong with the call and how to correct it."""


async def create(engine: AsyncEngine, settings: KeySettings, call: argparse.Namespace) -> str:
    """Create a key for a store, and the store where it is new; returns the key."""
    scopes = frozenset(call.scopes.split(",")) if call.scopes else frozenset(DEFAULT_SCOPES)
    unknown = sorted(scopes - set(SCOPES))
    if unknown:
        raise Refusal(f"There is no scope {', '.join(unknown)}. Scopes are {', '.join(SCOPES)}.")
    if not STORE_ID.fullmatch(call.store):
        raise Refusal("A store's id must have 1 to 64 letters, digits, underscores or hyphens.")
    if not _NAME.fullmatch(call.name):
        raise Refusal("A key's name must have 1 to 120 characters.")
    random_bytes = secrets.token_bytes(RANDOM_BYTES)
    key: str = call.key or make_key(random_bytes, "test" if settings.mode == "local" else "live")
    if key == DEMO_KEY and settings.mode != "local":
        raise Refusal("The demo key works only in local mode.")
    digest = digest_of(key, settings.key_secret.encode())
    await keys_db.add_key(
        engine, ApiKey(digest, call.store, call.name, scopes), prefix=key[:PREFIX_LENGTH]
    )
    return key


async def list_(engine: AsyncEngine, _settings: KeySettings, call: argparse.Namespace) -> str:
    """A line per key of the store: its first characters, name, scopes, creation and last use."""
    rows = await keys_db.list_keys(engine, call.store)
    if not rows:
        raise Refusal(
            f"The store {call.store} has no keys. `make key STORE={call.store}` makes one."
        )
    lines = [_HEADINGS, *map(_columns, rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(map(str.ljust, columns, widths)).rstrip() for columns in lines)


def _columns(row: Any) -> tuple[str, ...]:
    return (
        row.prefix[:PREFIX_SHOWN],
        row.name,
        ",".join(row.scopes),
        _minute(row.created_at),
        "never" if row.last_used_at is None else _minute(row.last_used_at),
        "in use" if row.revoked_at is None else f"revoked {_minute(row.revoked_at)}",
    )


def _minute(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M}"


async def revoke(engine: AsyncEngine, settings: KeySettings, call: argparse.Namespace) -> str:
    """Revoke the one key that starts with the prefix; returns the name of the key and its store."""
    prefix: str = call.prefix
    if len(prefix) < MIN_PREFIX_LENGTH:
        raise Refusal(f"Give at least the first {MIN_PREFIX_LENGTH} characters of the key.")
    rows = await keys_db.find_keys_by_prefix(engine, prefix[:PREFIX_LENGTH])
    if len(rows) > 1:
        digest = digest_of(prefix, settings.key_secret.encode())
        rows = [row for row in rows if row.digest == digest]
        if not rows:
            raise Refusal("Several keys start with these characters. Give the whole key.")
    if not rows:
        raise Refusal("No key in use starts with these characters.")
    (row,) = rows
    await keys_db.revoke(engine, row.digest)
    return f"Revoked the key {row.name} of {row.store_id}. It is refused within 5 seconds."


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m services.gateway.keys", description=__doc__)
    commands = parser.add_subparsers(required=True)
    create_command = commands.add_parser("create")
    create_command.add_argument("--store", required=True)
    create_command.add_argument(
        "--scopes", help=f"of {','.join(SCOPES)}; the default is {','.join(DEFAULT_SCOPES)}"
    )
    create_command.add_argument("--name", default="unnamed")
    create_command.add_argument("--key", help="a key that you chose yourself")
    create_command.set_defaults(run=create)
    list_command = commands.add_parser("list")
    list_command.add_argument("--store", required=True)
    list_command.set_defaults(run=list_)
    revoke_command = commands.add_parser("revoke")
    revoke_command.add_argument("--prefix", required=True)
    revoke_command.set_defaults(run=revoke)
    return parser


async def _run(settings: KeySettings, call: argparse.Namespace) -> str:
    engine = create_engine(settings.database_url, name="gateway keys", connections=1)
    try:
        output: str = await call.run(engine, settings, call)
    finally:
        await engine.dispose()
    return output


if __name__ == "__main__":
    arguments = _parser().parse_args()
    try:
        print(asyncio.run(_run(load(KeySettings, os.environ), arguments)))  # noqa: T201
    except (Refusal, SettingsError) as error:
        sys.exit(str(error))
