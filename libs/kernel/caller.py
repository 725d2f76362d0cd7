"""Who sent a request to the API, as the gateway authenticated it."""

from msgspec import Struct


class Caller(Struct, frozen=True, kw_only=True):
    """The API key, the request's id in all services, and the Idempotency-Key of a write.

    Every write passes this on to the code that stores it, so that a change can be traced to its
    request. `key_id` identifies a key without revealing it; `key_name` is its name at creation.
    """

    key_id: str
    key_name: str
    request_id: str
    idempotency_key: str | None = None
