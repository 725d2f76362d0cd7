"""Who calls: the key behind an Authorization header."""

import asyncio
import time
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine

from libs.kernel.errors import Unauthenticated
from services.gateway import store
from services.gateway.domain import DEMO_KEY, KEY_RULE, ApiKey, digest_of, is_key

# A revoked key is refused within five seconds by every process.
_FRESH_SECONDS: Final = 4.0
# Bounds what strangers who try keys can make us remember.
_REMEMBERED: Final = 20_000
# Bounds how many look-ups strangers can have under way; known keys are not looked up.
_LOOK_UPS: Final = 4

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
    """Looks keys up and remembers them, unknown ones too, for a few seconds."""

    def __init__(self, engine: AsyncEngine, *, secret: str, local: bool) -> None:
        self._engine = engine
        self._secret = secret.encode()
        self._local = local
        self._known: dict[str, tuple[float, ApiKey | None]] = {}
        self._look_ups = asyncio.Semaphore(_LOOK_UPS)

    async def authenticate(self, header: bytes | None) -> ApiKey:
        """The key of `Bearer wk_…`; raises Unauthenticated, and what the database raises."""
        key = sent_key(header)
        if key == DEMO_KEY and not self._local:
            raise Unauthenticated("The demo key is for local use only.")
        found = self._remembered(key)
        if found is None:
            found = await self._look_up(key)
        if found[1] is None:
            raise Unauthenticated("This API key is unknown or revoked.")
        return found[1]

    def _remembered(self, key: str) -> tuple[float, ApiKey | None] | None:
        found = self._known.get(key)
        return found if found is not None and found[0] > time.monotonic() else None

    async def _look_up(self, key: str) -> tuple[float, ApiKey | None]:
        async with self._look_ups:
            # Another request may have found it while this one waited.
            found = self._remembered(key)
            if found is None:
                # The time starts before the look-up: a key revoked during it is not kept longer.
                until = time.monotonic() + _FRESH_SECONDS
                known = await store.find_key(self._engine, digest_of(key, self._secret))
                found = until, known
                self._remember(key, found)
        return found

    def _remember(self, key: str, found: tuple[float, ApiKey | None]) -> None:
        self._known.pop(key, None)
        self._known[key] = found
        while len(self._known) > _REMEMBERED:
            del self._known[next(iter(self._known))]
