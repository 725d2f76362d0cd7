"""The client's settings: the argument, else the environment variable, else the default."""

import math
import os
import re
from typing import Final
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from whale_loyalty.errors import ConfigurationError

DEFAULT_BASE_URL: Final = "http://127.0.0.1:8080"

# What an HTTP header can carry. The HTTP library's error for any other value would quote the key.
_KEY: Final = re.compile(r"[\x21-\x7e]+")
_STORE: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")


class ApiKey:
    """The API key; only `header` reveals it, so that no repr, log or traceback can."""

    __slots__ = ("__key",)

    def __init__(self, key: str) -> None:
        self.__key = key

    @property
    def header(self) -> str:
        """The value of the Authorization header."""
        return f"Bearer {self.__key}"

    def redacted(self, text: str) -> str:
        """`text` with every occurrence of the key replaced."""
        return text.replace(self.__key, "[key]")

    def redacted_bytes(self, data: bytes) -> bytes:
        """`data` with every occurrence of the key replaced."""
        return data.replace(self.__key.encode(), b"[key]")

    def __repr__(self) -> str:
        return "ApiKey(…)"


class Settings(Struct, frozen=True, kw_only=True):
    """Where calls go and how long they may take: `timeout_seconds` bounds one attempt,
    `deadline_seconds` a call with all its retries."""

    base_url: str
    store: str
    timeout_seconds: float
    deadline_seconds: float
    max_retries: int


def resolve_api_key(api_key: str | None) -> ApiKey:
    """The argument, else WHALE_API_KEY. Raises ConfigurationError."""
    key = api_key if api_key is not None else os.environ.get("WHALE_API_KEY", "")
    if not key:
        raise ConfigurationError("No API key: pass api_key or set WHALE_API_KEY.")
    if not _KEY.fullmatch(key):
        raise ConfigurationError(
            "The API key contains characters that no key has, such as white space."
        )
    return ApiKey(key)


def resolve_settings(
    *,
    base_url: str | None,
    store: str,
    timeout_seconds: float,
    deadline_seconds: float,
    max_retries: int,
) -> Settings:
    """The validated settings. Raises ConfigurationError."""
    if not _STORE.fullmatch(store):
        raise ConfigurationError("store must be `me` or a store id: 1-64 of A-Z a-z 0-9 _ -")
    return _validated(
        Settings(
            base_url=_normalize_url(
                base_url or os.environ.get("WHALE_BASE_URL") or DEFAULT_BASE_URL
            ),
            store=store,
            timeout_seconds=timeout_seconds,
            deadline_seconds=deadline_seconds,
            max_retries=max_retries,
        )
    )


def with_limits(
    settings: Settings,
    *,
    timeout_seconds: float | None,
    deadline_seconds: float | None,
    max_retries: int | None,
) -> Settings:
    """The settings with the limits that are not None. Raises ConfigurationError."""
    limits = {
        "timeout_seconds": timeout_seconds,
        "deadline_seconds": deadline_seconds,
        "max_retries": max_retries,
    }
    changes = {name: value for name, value in limits.items() if value is not None}
    return _validated(msgspec.structs.replace(settings, **changes))


def _validated(settings: Settings) -> Settings:
    seconds = (settings.timeout_seconds, settings.deadline_seconds)
    if not all(0 < value < math.inf for value in seconds):
        raise ConfigurationError("timeout_seconds and deadline_seconds must be over 0 and finite.")
    if settings.max_retries < 0:
        raise ConfigurationError("max_retries must be 0 or more.")
    return settings


def _normalize_url(text: str) -> str:
    """The URL without a trailing slash. The error does not quote it: it may hold a password."""
    try:
        url = urlsplit(text)
        has_port = url.port != 0
    except ValueError:
        has_port = False
    plain = has_port and not (url.username or url.password or url.query or url.fragment)
    if not plain or url.scheme not in {"http", "https"} or not url.hostname:
        raise ConfigurationError(
            "base_url must be an http or https URL without user, query or fragment,"
            f" such as {DEFAULT_BASE_URL}"
        )
    return text.rstrip("/")
