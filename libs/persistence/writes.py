"""A write as a use case receives it, independent of the protocol."""

from typing import Generic, TypeVar

from msgspec import Struct

from libs.kernel.caller import Caller
from libs.persistence.idempotency import Claim

T = TypeVar("T")


class Write(Struct, Generic[T], frozen=True):
    """A write whose request passed its checks. `claim` is None without an idempotency key; `caller`
    is the sender."""

    store_id: str
    body: T
    claim: Claim | None
    caller: Caller
