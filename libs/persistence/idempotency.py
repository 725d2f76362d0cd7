"""Idempotency keys as values: the claim of a write on its key, and the response stored under it."""

from typing import Final

from msgspec import Struct

# Stored in place of an HTTP status while the key is claimed and the write has no response yet.
IN_PROGRESS: Final = 0


class Claim(Struct, frozen=True):
    """An idempotency key, the store that scopes it, and the digest of the request it belongs to."""

    store_id: str
    key: str
    fingerprint: bytes


class StoredResponse(Struct, frozen=True):
    """The response to a write, exactly as it was sent: the HTTP status and the bytes of the body.

    A write that spans several transactions claims its key in the first one, before it has a
    response: the status is then IN_PROGRESS, and `body` identifies the write. A retry of the same
    request continues that write; a different request with the key is refused.
    `replayed` is true if an earlier request with the key caused the response.
    """

    status: int
    body: bytes
    replayed: bool = False

    @property
    def is_in_progress(self) -> bool:
        return self.status == IN_PROGRESS


def in_progress(write_id: bytes = b"") -> StoredResponse:
    """The marker stored for a key whose write has no response yet; `write_id` identifies the write."""
    return StoredResponse(IN_PROGRESS, write_id)
