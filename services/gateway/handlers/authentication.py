"""Who calls: the key behind an Authorization header."""

import time
from collections.abc import Collection, Sequence
from typing import Final

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from libs.kernel.errors import Unauthenticated
from libs.observability import logging
from libs.persistence.group_commit import GroupCommit
from services.gateway import store as keys_db
from services.gateway.domain import DEMO_KEY, KEY_RULE, ApiKey, digest_of, is_key
from services.gateway.handlers.pacer import Pacer

# Every process refuses a revoked key within five seconds.
_CACHED_SECONDS: Final = 4.0
# The last use of a key is known to the minute.
_RECORDED_SECONDS: Final = 60.0
# Bounds the memory that callers who guess keys can fill.
_MAX_UNKNOWN: Final = 20_000

log = logging.get(__name__)

Lookups = GroupCommit[bytes, ApiKey | None]

_HOW: Final = "Send your API key as `Authorization: Bearer wk_live_…`."
_ONE: Final = "Send one, with the API key that this request is for."
_UNKNOWN: Final = (
    "This API key is unknown or revoked. Create a new key with `make key STORE=<store id>`, or ask the "
    "people who operate this service."
)


def sent_key(headers: Collection[bytes]) -> str:
    """The key in the different values of the Authorization header. Raises Unauthenticated, which says
    whether a key is missing or what was sent is not one key. The value sent is not repeated: it may be
    another secret."""
    if len(headers) > 1:
        # None of them may be chosen for the caller.
        raise Unauthenticated(f"There are {len(headers)} different Authorization headers. {_ONE}")
    scheme, _, key = b"".join(headers).decode("latin-1").strip().partition(" ")
    key = key.strip()
    if not scheme or (scheme.lower() == "bearer" and not key):
        raise Unauthenticated(f"No API key was sent. {_HOW}")
    if scheme.lower() != "bearer":
        raise Unauthenticated(f"The Authorization header does not begin with `Bearer`. {_HOW}")
    if not is_key(key):
        raise Unauthenticated(
            f"The value in the Authorization header is not an API key. {KEY_RULE}"
        )
    return key


class Authenticator:
    """Looks keys up and caches the results, also for unknown keys, for a few seconds.

    Keys that were valid a moment ago have look-ups of their own, and unknown keys wait for the pacer:
    callers with a key never wait for callers who guess keys.
    """

    def __init__(
        self, engine: AsyncEngine, *, secret: str, local: bool, unauthenticated: Pacer
    ) -> None:
        self._engine = engine
        self._secret = secret.encode()
        self._local = local
        self._unauthenticated = unauthenticated
        self._valid: dict[str, tuple[float, ApiKey]] = {}
        self._unknown: dict[str, float] = {}
        # Until when the use of a key is recorded.
        self._recorded: dict[bytes, float] = {}
        self._renewals = self._lookups()
        self._attempts = self._lookups()

    async def authenticate(self, headers: Collection[bytes]) -> ApiKey:
        """The key in `Bearer wk_…`, from the different values of the Authorization header. Raises
        Unauthenticated, Unavailable where too many unauthenticated requests wait, and what the
        database raises."""
        try:
            key = self._usable_key(headers)
        except Unauthenticated:
            await self._unauthenticated.wait()
            raise
        known = self._valid.get(key)
        if known is not None and known[0] > time.monotonic():
            return known[1]
        if known is None:
            await self._unauthenticated.wait()
        api_key = await self._look_up(key, self._attempts if known is None else self._renewals)
        if api_key is None:
            raise Unauthenticated(_UNKNOWN)
        return api_key

    def _usable_key(self, headers: Collection[bytes]) -> str:
        key = sent_key(headers)
        if key == DEMO_KEY and not self._local:
            raise Unauthenticated("The demo key works only in the local mode of this service.")
        return key

    async def _look_up(self, key: str, lookups: Lookups) -> ApiKey | None:
        now = time.monotonic()
        if self._unknown.get(key, now) > now:
            return None
        # The time starts before the look-up: a key revoked during it is not cached longer.
        until = now + _CACHED_SECONDS
        api_key = await lookups.submit(digest_of(key, self._secret))
        if api_key is not None:
            self._valid[key] = until, api_key
            return api_key
        self._valid.pop(key, None)
        self._unknown.pop(key, None)
        self._unknown[key] = until
        while len(self._unknown) > _MAX_UNKNOWN:
            del self._unknown[next(iter(self._unknown))]
        return None

    async def _record_use(self, digests: Sequence[bytes]) -> None:
        """Record the use of keys whose use this process has not recorded for a minute. Authentication
        does not depend on it: a database may be readable only."""
        now = time.monotonic()
        due = [digest for digest in digests if self._recorded.get(digest, 0.0) <= now]
        if not due:
            return
        self._recorded.update(dict.fromkeys(due, now + _RECORDED_SECONDS))
        try:
            await keys_db.record_use(self._engine, due)
        except (SQLAlchemyError, OSError) as error:
            log.warning("key_use_not_recorded", error=repr(error))

    def _lookups(self) -> Lookups:
        """Look-ups that share queries: one query runs at a time, for all keys that wait by then."""

        async def find(digests: Sequence[bytes]) -> Sequence[ApiKey | None]:
            keys = await keys_db.find_keys(self._engine, digests)
            await self._record_use(list(keys))
            return [keys.get(digest) for digest in digests]

        return GroupCommit(find)
