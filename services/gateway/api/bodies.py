"""Reading bodies: each up to its limit, and all of them together in a bounded memory."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final, cast

from litestar.types import HTTPReceiveMessage, Receive

from libs.kernel.errors import TooLarge, Unavailable

# Eight of the largest batches for each key, and eight times that for all keys.
_BYTES_PER_KEY: Final = 8 * 1024 * 1024
_BYTES_IN_ALL: Final = 64 * 1024 * 1024


class Disconnected(Unavailable):
    """The caller disconnected before the request was complete: nobody receives a response."""


Hold = Callable[[int], None]


class BodyMemory:
    """Counts the bytes of bodies in memory, from their arrival until their requests have a response."""

    def __init__(self, *, per_key: int = _BYTES_PER_KEY, in_all: int = _BYTES_IN_ALL) -> None:
        self._per_key = per_key
        self._in_all = in_all
        self._held: Counter[bytes] = Counter()
        self._sum = 0

    @contextmanager
    def reserve(self, key: bytes) -> Iterator[Hold]:
        """For one request of a key: a function that counts so many bytes more, or raises Unavailable.
        All of them are released at the end."""
        held = 0

        def hold(count: int) -> None:
            nonlocal held
            if self._sum + count > self._in_all or self._held[key] + count > self._per_key:
                raise Unavailable("Too many large requests are in progress. Try again in a moment.")
            held += count
            self._sum += count
            self._held[key] += count

        try:
            yield hold
        finally:
            self._sum -= held
            self._held[key] -= held
            if not self._held[key]:
                del self._held[key]


async def read_body(
    receive: Receive, headers: Mapping[bytes, bytes], *, limit: int, hold: Hold
) -> bytes:
    """The whole body. Raises TooLarge as soon as the body is known to exceed `limit` bytes."""
    declared = headers.get(b"content-length", b"0")
    if declared.isdigit() and int(declared) > limit:
        raise TooLarge(f"The body has {int(declared):,} bytes. Up to {limit:,} bytes are allowed.")
    parts: list[bytes] = []
    size = 0
    while True:
        message = cast("HTTPReceiveMessage", await receive())
        if message["type"] == "http.disconnect":
            raise Disconnected("The caller disconnected before the request was complete.")
        part = message.get("body", b"")
        size += len(part)
        if size > limit:
            raise TooLarge(f"The body has more than the {limit:,} bytes that are allowed.")
        hold(len(part))
        parts.append(part)
        if not message.get("more_body", False):
            return b"".join(parts)
