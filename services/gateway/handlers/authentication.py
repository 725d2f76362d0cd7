"""Who calls: the key behind an Authorization header."""

import time
from collections.abc import Sequence
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine

from libs.kernel.errors import Unauthenticated
from libs.persistence.group_commit import GroupCommit
from services.gateway import store
from services.gateway.domain import DEMO_KEY, KEY_RULE, ApiKey, digest_of, is_key
from services.gateway.handlers.strangers import Pace

# A revoked key is refused within five seconds by every process.
_FRESH_SECONDS: Final = 4.0
# Bounds what strangers who try keys can make us remember.
_REMEMBERED: Final = 20_000

Lane = GroupCommit[bytes, ApiKey | None]

_HOW: Final = "Send your API key as `Authorization: Bearer wk_live_…`."


def sent_key(header: bytes | None) -> str:
    """The key that the header carries; raises Unauthenticated, and says whether there was none, or
    something else than a key. What was sent is not repeated: it may be another secret."""
    scheme, _, key = (header or b"").decode("latin-1").strip().partition(" ")
    key = key.strip()
    if not scheme or (scheme.lower() == "bearer" and not key):
        raise Unauthenticated(f"No API key was sent. {_HOW}")
    if scheme.lower() != "bearer":
        raise Unauthenticated(f"The Authorization header does not begin with `Bearer`. {_HOW}")
    if not is_key(key):
        raise Unauthenticated(f"What was sent is not an API key. {KEY_RULE}")
    return key


class Authenticator:
    """Looks keys up and remembers them, unknown ones too, for a few seconds.

    Keys that were valid a moment ago are looked up in a lane of their own, and strangers at the
    strangers' pace: so nobody with a key waits for those who try keys.
    """

    def __init__(self, engine: AsyncEngine, *, secret: str, local: bool, strangers: Pace) -> None:
        self._engine = engine
        self._secret = secret.encode()
        self._local = local
        self._strangers = strangers
        self._valid: dict[str, tuple[float, ApiKey]] = {}
        self._unknown: dict[str, float] = {}
        self._renewals = self._lane()
        self._attempts = self._lane()

    async def authenticate(self, header: bytes | None) -> ApiKey:
        """The key of `Bearer wk_…`; raises Unauthenticated, Unavailable where too many strangers
        wait, and what the database raises."""
        try:
            key = self._usable_key(header)
        except Unauthenticated:
            await self._strangers.turn()
            raise
        known = self._valid.get(key)
        if known is not None and known[0] > time.monotonic():
            return known[1]
        if known is None:
            await self._strangers.turn()
        found = await self._look_up(key, self._attempts if known is None else self._renewals)
        if found is None:
            raise Unauthenticated("This API key is unknown or revoked.")
        return found

    def _usable_key(self, header: bytes | None) -> str:
        key = sent_key(header)
        if key == DEMO_KEY and not self._local:
            raise Unauthenticated("The demo key is for local use only.")
        return key

    async def _look_up(self, key: str, lane: Lane) -> ApiKey | None:
        now = time.monotonic()
        if self._unknown.get(key, now) > now:
            return None
        # The time starts before the look-up: a key revoked during it is not kept longer.
        until = now + _FRESH_SECONDS
        found = await lane.submit(digest_of(key, self._secret))
        if found is not None:
            self._valid[key] = until, found
            return found
        self._valid.pop(key, None)
        self._unknown.pop(key, None)
        self._unknown[key] = until
        while len(self._unknown) > _REMEMBERED:
            del self._unknown[next(iter(self._unknown))]
        return None

    def _lane(self) -> Lane:
        """Look-ups of which one query is under way at a time, for all that wait by then."""

        async def find(digests: Sequence[bytes]) -> Sequence[ApiKey | None]:
            found = await store.find_keys(self._engine, digests)
            return [found.get(digest) for digest in digests]

        return GroupCommit(find)
