"""Sessions: a random id in the reader's cookie, the session encrypted in Redis under the id's hash.

A session gets its id here and nowhere else: an id that a browser sends without a session under it is
worth nothing. So nobody can have a reader sign in to a session whose id they know.
"""

import base64
import hashlib
import secrets
import time
from typing import Any, Final

import msgspec
from cryptography.fernet import Fernet, InvalidToken
from msgspec import Struct, field
from redis.asyncio import Redis

_ID_BYTES: Final = 32
_PREFIX: Final = "dashboard:session:"
_TOAST_PREFIX: Final = "dashboard:toast:"
# A message about what was done is for the next page, which follows immediately.
_TOAST_SECONDS: Final = 120


class Session(Struct, frozen=True, kw_only=True):
    """What is known of a signed-in reader. `csrf_token` is in every form that the session's pages show."""

    api_key: str
    store_id: str
    key_name: str
    scopes: frozenset[str]
    csrf_token: str
    created_at: float
    # As the reader chose: `auto` follows the device.
    theme: str = "auto"
    shortcuts: bool = True


class Toast(Struct, frozen=True):
    """A message of one page to the next: what was done, or what went wrong."""

    text: str
    is_error: bool = False
    # A way back, where there is one: the address of a form that undoes it, its name, and its fields.
    undo_url: str | None = None
    undo_label: str | None = None
    undo_fields: dict[str, str] = field(default_factory=dict)


class Sessions:
    """The store of sessions. Its methods raise RedisError while Redis is unavailable."""

    def __init__(self, redis: Redis, *, secret: str, idle_seconds: int, max_seconds: int) -> None:
        self._redis = redis
        key = hashlib.sha256(b"dashboard sessions:" + secret.encode()).digest()
        self._cipher = Fernet(base64.urlsafe_b64encode(key))
        self._idle_seconds = idle_seconds
        self._max_seconds = max_seconds

    async def create(
        self, *, api_key: str, store_id: str, key_name: str, scopes: frozenset[str]
    ) -> str:
        """Start a session; returns its id, for the cookie."""
        session = Session(
            api_key=api_key,
            store_id=store_id,
            key_name=key_name,
            scopes=scopes,
            csrf_token=secrets.token_urlsafe(_ID_BYTES),
            created_at=time.time(),
        )
        session_id = secrets.token_urlsafe(_ID_BYTES)
        await self._write(session_id, session)
        return session_id

    async def find(self, session_id: str, *, is_used: bool = True) -> Session | None:
        """The session with this id; None where there is none or it has ended. A page that only updates
        itself does not use the session."""
        name = _name(_PREFIX, session_id)
        encrypted = await (
            self._redis.getex(name, ex=self._idle_seconds) if is_used else self._redis.get(name)
        )
        if encrypted is None:
            return None
        try:
            session = msgspec.json.decode(self._cipher.decrypt(encrypted), type=Session)
        except (InvalidToken, msgspec.DecodeError):
            # From before a change of the secret or of this struct.
            return None
        if time.time() > session.created_at + self._max_seconds:
            await self.delete(session_id)
            return None
        return session

    async def change(self, session_id: str, session: Session) -> None:
        """Replace the session, unless it has ended meanwhile."""
        await self._write(session_id, session, only_existing=True)

    async def delete(self, session_id: str) -> None:
        await self._redis.delete(_name(_PREFIX, session_id), _name(_TOAST_PREFIX, session_id))

    async def leave_toast(self, session_id: str, toast: Toast) -> None:
        """Leave a message for the session's next page."""
        await self._redis.set(
            _name(_TOAST_PREFIX, session_id), self._encrypt(toast), ex=_TOAST_SECONDS
        )

    async def take_toast(self, session_id: str) -> Toast | None:
        """The message that was left, once."""
        encrypted = await self._redis.getdel(_name(_TOAST_PREFIX, session_id))
        if encrypted is None:
            return None
        return msgspec.json.decode(self._cipher.decrypt(encrypted), type=Toast)

    async def _write(
        self, session_id: str, session: Session, *, only_existing: bool = False
    ) -> None:
        await self._redis.set(
            _name(_PREFIX, session_id),
            self._encrypt(session),
            ex=self._idle_seconds,
            xx=only_existing,
        )

    def _encrypt(self, value: Any) -> bytes:
        return self._cipher.encrypt(msgspec.json.encode(value))


def _name(prefix: str, session_id: str) -> str:
    """The name in Redis: who reads it there has no id to sign in with."""
    return prefix + hashlib.sha256(session_id.encode()).hexdigest()
