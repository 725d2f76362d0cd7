"""Who sent a request to the API, as the gateway authenticated it."""

from msgspec import Struct


class Caller(Struct, frozen=True, kw_only=True):
    """The API key, the request's id through all services, and the Idempotency-Key of a write.

    Every write passes this on to what it writes, so that a change can be traced to its request.
    `key_id` identifies a key without revealing it; `key_name` is the name that it was created with.
    """

    key_id: str
    key_name: str
    request_id: str
    idempotency_key: str | None = None
