"""The client's settings: what is given, else the environment, else a default."""

import math
import os
import re
from typing import Final
from urllib.parse import urlsplit

from msgspec import Struct

from whale_loyalty.errors import ConfigurationError

DEFAULT_BASE_URL: Final = "http://127.0.0.1:8080"

# What an HTTP header can carry. A key with anything else would be shown by the error it causes.
_KEY: Final = re.compile(r"[\x21-\x7e]+")
_STORE: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")


class ApiKey:
    """The key, which shows itself to nobody but the one who asks for its `header`."""

    __slots__ = ("__key",)

    def __init__(self, key: str) -> None:
        self.__key = key

    @property
    def header(self) -> str:
        """The value of the Authorization header."""
        return f"Bearer {self.__key}"

    def redacted(self, text: str) -> str:
        """`text` without the key."""
        return text.replace(self.__key, "[key]")

    def redacted_bytes(self, text: bytes) -> bytes:
        """The same of bytes."""
        return text.replace(self.__key.encode(), b"[key]")

    def __repr__(self) -> str:
        return "ApiKey(…)"


class Settings(Struct, frozen=True, kw_only=True):
    """How calls are made: `timeout_seconds` bounds one attempt, `deadline_seconds` a call with all
    its retries."""

    base_url: str
    store: str
    timeout_seconds: float
    deadline_seconds: float
    max_retries: int


def key_of(given: str | None) -> ApiKey:
    """The key given, or else WHALE_API_KEY; raises ConfigurationError."""
    key = given if given is not None else os.environ.get("WHALE_API_KEY", "")
    if not key:
        raise ConfigurationError("Give an api_key, or set WHALE_API_KEY.")
    if not _KEY.fullmatch(key):
        raise ConfigurationError("The API key has characters that no key has, such as white space.")
    return ApiKey(key)


def settings_of(
    *,
    base_url: str | None,
    store: str,
    timeout_seconds: float,
    deadline_seconds: float,
    max_retries: int,
) -> Settings:
    """The settings, checked; raises ConfigurationError."""
    if not _STORE.fullmatch(store):
        raise ConfigurationError("store is `me` or a store's id: 1-64 of A-Z a-z 0-9 _ -")
    if not (0 < timeout_seconds < math.inf and 0 < deadline_seconds < math.inf):
        raise ConfigurationError(
            "timeout_seconds and deadline_seconds are over 0, and have an end."
        )
    if max_retries < 0:
        raise ConfigurationError("max_retries is 0 or more.")
    return Settings(
        base_url=_url(base_url or os.environ.get("WHALE_BASE_URL") or DEFAULT_BASE_URL),
        store=store,
        timeout_seconds=timeout_seconds,
        deadline_seconds=deadline_seconds,
        max_retries=max_retries,
    )


def _url(text: str) -> str:
    try:
        url = urlsplit(text)
        has_port = url.port != 0
    except ValueError:
        has_port = False
    plain = has_port and not (url.username or url.password or url.query or url.fragment)
    if not plain or url.scheme not in {"http", "https"} or not url.hostname:
        raise ConfigurationError(
            f"base_url is a plain http or https URL, such as {DEFAULT_BASE_URL}"
        )
    return text.rstrip("/")
