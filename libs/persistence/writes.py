"""A write as a use case receives it, whatever protocol it came by."""

from typing import Generic, TypeVar

from msgspec import Struct

from libs.kernel.caller import Caller
from libs.persistence.idempotency import Claim

T = TypeVar("T")


class Write(Struct, Generic[T], frozen=True):
    """A write that passed its checks: its store, its body, what it claims by its idempotency key,
    and who sent it."""

    store_id: str
    body: T
    claim: Claim | None
    caller: Caller
