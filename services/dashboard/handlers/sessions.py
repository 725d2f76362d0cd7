"""Signing in with an API key."""

import re
from typing import Final, Literal

from msgspec import Struct

from services.dashboard.clients import Clients
from services.dashboard.store.sessions import Sessions
from whale_loyalty.errors import ConfigurationError, Unauthenticated

Refusal = Literal["not_a_key", "unknown_key", "no_read"]

_FORM: Final = re.compile(r"wk_(live|test)_[A-Za-z0-9_-]{20,128}")
_REQUIRED: Final = "read"


class SignInRefused(Exception):
    """The key does not sign in; `reason` says why."""

    def __init__(self, reason: Refusal) -> None:
        super().__init__(reason)
        self.reason: Refusal = reason


class SignedIn(Struct, frozen=True):
    """A new session."""

    session_id: str


async def sign_in(clients: Clients, sessions: Sessions, api_key: str) -> SignedIn:
    """Start a session with an API key. Raises SignInRefused, WhaleError while the gateway does not
    respond, and RedisError while sessions cannot be stored."""
    if not _FORM.fullmatch(api_key):
        raise SignInRefused("not_a_key")
    try:
        key = await clients.of(api_key).key.retrieve()
    except (Unauthenticated, ConfigurationError) as error:
        raise SignInRefused("unknown_key") from error
    if _REQUIRED not in key.scopes:
        raise SignInRefused("no_read")
    session_id = await sessions.create(
        api_key=api_key,
        store_id=key.store_id,
        key_name=key.name,
        scopes=frozenset(key.scopes),
    )
    return SignedIn(session_id)
